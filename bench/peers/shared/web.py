"""The FastAPI application of the peers that have one: upload, a thread for decoding and inference, reply.

Inference runs in threads of its own, so the event loop goes on taking requests; at most PEER_CONCURRENCY
photographs are worked on at a time, the others wait (more would only take the cores from each other).
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI, UploadFile
from starlette.formparsers import MultiPartParser

# A photograph of a phone stays in memory; Starlette's own limit is 1 MiB, and the rest would go to disk.
MultiPartParser.spool_max_size = 16 << 20


def application(predict: Callable[[bytes], dict]) -> FastAPI:
    """`predict` takes a photograph's bytes and gives the reply; it is called from threads."""
    app = FastAPI()
    pool = ThreadPoolExecutor(int(os.environ.get("PEER_CONCURRENCY", "2")))

    @app.post("/predict")
    async def predict_photograph(file: UploadFile):
        content = await file.read()
        return await asyncio.get_running_loop().run_in_executor(pool, predict, content)

    @app.get("/health")
    async def health():
        return {"status": "healthy"}

    return app
