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
    for path in ("/v1/predict", "/predict", "/v1/classify", "/v1/embeddings", "/v2/models/tiny/infer"):
        status, headers, problem = server.ask("POST", path, b"{")
        responses = document["paths"][path.replace("tiny", "{model}")]["post"]["responses"]
        ((media_type, content),) = responses[str(status)]["content"].items()
        schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        assert headers["content-type"] == media_type
        assert set(schema["required"]) <= set(problem) <= set(schema["properties"])


def test_statuses_are_those_of_the_route_and_its_protocol(server):
    _, _, document = server.ask("GET", "/openapi.json")

    def statuses(method, path):
        return " ".join(document["paths"][path][method]["responses"])

    assert statuses("post", "/v1/predict") == "200 400 401 404 408 413 415 422 429 500 503 504"
    assert statuses("post", "/predict") == "200 400 401 404 408 413 415 422 429 424 503 504"
    assert statuses("get", "/info") == "200 400 401 404 422 424 503"
    assert statuses("get", "/ui/") == "308 500 503"


def test_answers_have_the_media_types_of_the_document(server):
    _, _, document = server.ask("GET", "/openapi.json")
    for path, operations in document["paths"].items():
        if "get" in operations:
            status, headers, _ = server.ask("GET", path.replace("{model}", "tiny").replace("{version}", "1"))
            described = operations["get"]["responses"][str(status)].get("content", {"": None})
            assert (headers["content-type"] or "").partition(";")[0] in described
