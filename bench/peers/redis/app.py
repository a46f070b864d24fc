"""FastAPI + Redis for answers already given; what is not there is asked of ONNX Runtime."""

import asyncio
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import redis.asyncio
from fastapi import FastAPI, UploadFile
from photograph import BUNDLE, SIDE, answer, pixels
from starlette.formparsers import MultiPartParser

MultiPartParser.spool_max_size = 16 << 20
TIME_TO_LIVE_S = 3600

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("PEER_THREADS", "2"))
options.add_free_dimension_override_by_name("n", 1)
session = onnxruntime.InferenceSession(BUNDLE / "model.onnx", options, ["CPUExecutionProvider"])
session.run(["probabilities"], {"image": np.zeros((1, SIDE, SIDE, 3), np.uint8)})
# With `hiredis` installed its parser in C is used.
answers = redis.asyncio.from_url(os.environ["REDIS_URL"])
pool = ThreadPoolExecutor(int(os.environ.get("PEER_CONCURRENCY", "2")))
app = FastAPI()


def predict(content: bytes) -> dict:
    return answer(session.run(["probabilities"], {"image": pixels(content)})[0][0])


@app.post("/predict")
async def predict_photograph(file: UploadFile):
    content = await file.read()
    key = b"fish:" + hashlib.sha256(content).digest()
    known = await answers.get(key)
    if known is not None:
        return json.loads(known) | {"cached": True}
    reply = await asyncio.get_running_loop().run_in_executor(pool, predict, content)
    await answers.set(key, json.dumps(reply), ex=TIME_TO_LIVE_S)
    return reply | {"cached": False}


@app.get("/health")
async def health():
    return {"status": "healthy"}
