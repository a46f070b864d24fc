# The page and the gateway (docs/GATEWAY.md): `docker build --file docker/frontend.Dockerfile --tag fishid-frontend .`
# GIVEN=1 takes the page of build/image (scripts/image_files.sh) instead of fetching its parts.
ARG NODE=docker.io/library/node:22-bookworm-slim
# 1.27.3 or newer: in Kubernetes the replicas' names are resolved again and again.
ARG NGINX=docker.io/nginxinc/nginx-unprivileged:1.28-bookworm

FROM ${NODE} AS page
ARG GIVEN=
WORKDIR /src
COPY . .
RUN if [ -n "$GIVEN" ]; then cp -r build/image/page /page; else docker/build_page.sh /page; fi

FROM ${NGINX}
COPY nginx/ /etc/fishid-nginx/
COPY --from=page /page /usr/share/fishid/page
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/etc/fishid-nginx/entrypoint.sh"]
CMD []
