# The server: `docker build --file docker/server.Dockerfile --tag fishid-server .`
# The last stage has no shell and no package manager: the program, the C library's files, and of ONNX Runtime what runs on
# a processor. GIVEN=1 takes the files of build/image (scripts/image_files.sh) instead of compiling.
ARG RUST=docker.io/library/rust:1.95-slim-bookworm
ARG DEBIAN=docker.io/library/debian:bookworm-slim

FROM ${RUST} AS compiled
ARG GIVEN=
WORKDIR /src
COPY docker/install.sh docker/
RUN [ -n "$GIVEN" ] || docker/install.sh build-essential cmake nasm nodejs npm python3-pip python3-venv binutils
COPY . .
# Crates and compiled dependencies outlive a build.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/target \
    [ -n "$GIVEN" ] || CARGO_TARGET_DIR=/target FISHID_HOME=/onnxruntime scripts/image_files.sh

FROM ${DEBIAN} AS files
COPY docker/install.sh docker/collect_files.sh /docker/
RUN /docker/install.sh ca-certificates binutils libstdc++6 zlib1g
COPY --from=compiled /src/build/image /given
RUN /docker/collect_files.sh /given /image

FROM scratch
COPY --from=files /image/ /
ENV FISHID_HOME=/var/lib/fishid \
    ORT_DYLIB_PATH=/usr/lib/fishid/libonnxruntime.so \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# By number, so that Kubernetes sees that it is not root.
USER 65532:65532
WORKDIR /var/lib/fishid
# Models that were loaded: a server that starts while the registry is away answers with the last.
VOLUME /var/lib/fishid
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["/usr/bin/fishid", "health", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["/usr/bin/fishid"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
