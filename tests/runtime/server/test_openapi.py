def test_every_route_is_in_the_document(server):
    from mtl_runtime.server.protocols import PROTOCOLS

    status, _, document = server.ask("GET", "/openapi.json")
    assert status == 200
    listed = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert listed == {(route.method, route.path) for protocol in PROTOCOLS for route in protocol.routes}


def test_operations_have_their_own_ids_and_a_sentence(server):
    _, _, document = server.ask("GET", "/openapi.json")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"].endswith(".") for operation in operations)


def test_references_lead_to_schemas(server):
    _, _, document = server.ask("GET", "/openapi.json")

    def references(value):
        if isinstance(value, dict):
            yield from ([value["$ref"]] if "$ref" in value else [])
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    found = set(references(document))
    assert "#/components/schemas/PredictRequest" in found
    assert all(name.rpartition("/")[2] in document["components"]["schemas"] for name in found)


def test_errors_are_described_as_they_are_sent(server):
    _, _, document = server.ask("GET", "/openapi.json")
    for path in ("/v1/predict", "/predict", "/v1/classify", "/v1/embeddings"):
        _, headers, problem = server.ask("POST", path, b"{")
        ((media_type, content),) = document["paths"][path]["post"]["responses"]["default"]["content"].items()
        schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        assert headers["content-type"] == media_type
        assert set(schema["required"]) <= set(problem) <= set(schema["properties"])
