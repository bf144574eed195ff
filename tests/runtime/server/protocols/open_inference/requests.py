"""Requests of the Open Inference Protocol as clients write them."""

import json
import struct


def strings(*values):
    """A BYTES tensor: each string after its length."""
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return b"".join(struct.pack("<I", len(data)) + data for data in encoded)


def json_request(texts, shape=None, **keys):
    tensor = {"name": "text", "shape": shape or [len(texts)], "datatype": "BYTES", "data": texts}
    return {"inputs": [tensor], **keys}


def binary_request(data, shape, **keys):
    """Body and headers of a request whose texts follow the JSON."""
    tensor = {"name": "text", "shape": shape, "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    header = json.dumps({"inputs": [tensor], **keys}).encode()
    return header + data, {"Inference_Header_Content_Length": str(len(header))}
