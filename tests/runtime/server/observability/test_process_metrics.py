from prometheus_client.parser import text_string_to_metric_families

from mtl_runtime.server.observability.metrics import Metrics
from mtl_runtime.server.observability.process_metrics import merge_metrics


def test_samples_of_all_processes_stand_in_one_family_each_with_its_process():
    pages = {}
    for process in range(2):
        metrics = Metrics()
        for _ in range(process + 1):
            metrics.count_request("/v1/predict", 200, 0.1)
        pages[str(process)] = metrics.render().decode()
    page = merge_metrics(pages).decode()
    assert page.count("# TYPE mtl_requests_total counter") == 1
    (family,) = (family for family in text_string_to_metric_families(page) if family.name == "mtl_requests")
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"route": "/v1/predict", "code": "200", "process": "0"}, 1.0),
        ({"route": "/v1/predict", "code": "200", "process": "1"}, 2.0),
    ]


def test_the_page_of_one_process_differs_by_its_label_alone():
    metrics = Metrics()
    metrics.count_request("/v1/predict", 200, 0.1)
    metrics.observe_wait(0.1)
    own = metrics.render().decode()

    def samples(page):
        return [
            (sample.name, sample.labels.items() - {("process", "0")}, sample.value)
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        ]

    assert samples(merge_metrics({"0": own}).decode()) == samples(own)
