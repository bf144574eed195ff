"""A real browser asks a real server by its page: with keys and clicks, on a desk and on a phone, in light and dark."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from mtl_runtime import load
from mtl_runtime.bundle.manifest import Standardization, logits_output
from mtl_runtime.gate.verify import verify
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.protocols import choose_protocols
from mtl_runtime.server.served_model import ServedModel
from tests.contract.browser import NAMES, find_browser, open_browser
from tests.runtime.conftest import TINY_BUNDLE
from tests.runtime.server.running import RunningServer

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser here; install one of {', '.join(NAMES)}")

WINDOWS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740, "phone": True}}
HOSTILE = "<script>document.title='hacked'</script>\"'><img src=x onerror=document.title='hacked'>\u202egood\u2066"
SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")

ANSWERED = "document.getElementById('status').textContent.includes('answered')"
EXPLAINED = "document.querySelectorAll('.explained:not([hidden])').length > 0"
PROBLEM = "(p => p.hidden ? '' : p.textContent)(document.getElementById('problem'))"
HINT = "(p => p.hidden ? '' : p.textContent)(document.getElementById('hint'))"
TEXTS = "document.getElementById('texts')"
CODE = "document.querySelector('#code code').textContent"
# Smallest contrast of a text with what lies behind it, by the formula of WCAG 2.2.
CONTRAST = """(() => {
  const pixel = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parse = colour => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data].map(v => v / 255);
  };
  const luminance = rgb => rgb.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    if (element === null) return [1, 1, 1];
    const [r, g, b, a] = parse(getComputedStyle(element).backgroundColor);
    const below = a === 1 ? [0, 0, 0] : behind(element.parentElement);
    return [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  };
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT), contrasts = [];
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest('.hidden')) continue;
    const colours = [parse(getComputedStyle(element).color).slice(0, 3), behind(element)];
    const [light, dark] = colours.map(luminance).sort((x, y) => y - x);
    contrasts.push([(light + 0.05) / (dark + 0.05), node.textContent]);
  }
  return contrasts.sort(([x], [y]) => x - y)[0];
})()"""


def with_hostile_names(classifier):
    """Labels and task names as a bundle that somebody else made may have them."""
    specs, names = [], {}
    for number, spec in enumerate(classifier.specs):
        labels = tuple(f"{label} {HOSTILE}" for label in spec.labels)
        scale = Standardization(mean=3.0, deviation=0.8) if spec.kind == "regression" else None
        changed = dataclasses.replace(spec, labels=labels, standardization=scale)
        object.__setattr__(changed, "name", f"{number} {HOSTILE}")  # the manifest would refuse it
        names[logits_output(changed.name)] = logits_output(spec.name)
        specs.append(changed)

    def run_batch(batch, outputs):
        return classifier.run_batch(batch, [names.get(output, output) for output in outputs])

    return dataclasses.replace(classifier, specs=tuple(specs), run_batch=run_batch)


@pytest.fixture(scope="module")
def classifier():
    return load(TINY_BUNDLE, threads=1)


@pytest.fixture(scope="module")
def server(classifier):
    with RunningServer([ServedModel(name="tiny", classifier=classifier)]) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(BROWSER, tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


def open_page(browser, server, path="/ui", *, window="desktop", **media):
    browser.open(f"{server.url}{path}", **WINDOWS[window], **media)


def ask(browser, text):
    """Type over what is there, press Enter, and wait for the answer to the last line."""
    browser.value(f"{TEXTS}.focus(); {TEXTS}.select()")
    browser.type(text)
    browser.press("Enter")
    last = json.dumps(text.split("\n")[-1].replace("\u202e", "\\u202e").replace("\u2066", "\\u2066"))
    browser.wait_for(f"[...document.querySelectorAll('article h3')].pop()?.textContent === {last}")


def percent(share):
    """As the page writes a probability: none is certain."""
    rounded = f"{100 * share:.1f} %"
    return {"100.0 %": "> 99.9 %", "0.0 %": "< 0.1 %"}.get(rounded, rounded).replace(" ", "\u00a0")


def rows(browser, task=0):
    """Label and percentage of each bar of a task."""
    table = f"document.querySelectorAll('article table')[{task}]"
    return browser.value(f"[...{table}.rows].map(r => [r.cells[0].firstChild.textContent, r.cells[2].textContent])")


def test_the_page_answers_an_example_before_anything_is_typed(browser, server):
    open_page(browser, server)
    browser.wait_for(ANSWERED)
    first = browser.value("document.querySelector('#examples button').textContent")
    assert browser.value(f"{TEXTS}.value") == first == browser.value("document.querySelector('article h3').textContent")
    assert browser.value(f"document.activeElement === {TEXTS}")
    browser.type("replaces the example")
    assert browser.value(f"{TEXTS}.value") == "replaces the example"


def test_a_browser_gets_the_page_at_the_root_too(browser, server):
    open_page(browser, server, "/")
    browser.wait_for(ANSWERED)
    assert browser.value("document.title") == "Ask tiny"


def test_enter_answers_every_line_as_the_library_does(browser, server, classifier):
    open_page(browser, server)
    browser.wait_for(ANSWERED)
    ask(browser, "the soup was good\n\n  bad, the price was awful")
    assert browser.value("document.querySelectorAll('article').length") == 2
    own = classifier("the soup was good")
    shares = {label: percent(share) for label, share in own["sentiment"].probabilities.items()}
    assert rows(browser) == [list(row) for row in shares.items()]
    assert browser.value("document.querySelector('article caption strong').textContent") == own["sentiment"].label
    given = (
        "[...document.querySelectorAll('article table')[1].querySelectorAll('.given th bdi')].map(e => e.textContent)"
    )
    assert browser.value(given) == list(own["topics"].labels)
    stars = float(browser.value("document.querySelector('article p.number strong').textContent"))
    assert stars == pytest.approx(own["stars"].value, rel=0.01)
    assert " ms" in browser.value("document.getElementById('status').textContent")


def test_a_new_line_answers_nothing(browser, server):
    open_page(browser, server)
    browser.wait_for(ANSWERED)
    browser.value(f"{TEXTS}.select()")
    browser.ask("Input.dispatchKeyEvent", type="keyDown", key="Enter", windowsVirtualKeyCode=13, text="\r", modifiers=8)
    assert browser.value(f"{TEXTS}.value") == "\n"


def test_bars_are_as_long_as_probabilities_and_start_at_one_line(browser, server):
    open_page(browser, server, prefers_reduced_motion="reduce")
    ask(browser, "the soup was good")
    boxes = browser.value(
        "[...document.querySelectorAll('article table')[0].querySelectorAll('.track')].map(track => "
        "[track, track.firstChild].map(e => e.getBoundingClientRect()).map(r => [r.left, r.width]))"
    )
    for ((left, whole), (start, width)), (_, share) in zip(boxes, rows(browser), strict=True):
        assert (left, whole) == tuple(boxes[0][0])
        assert start == left
        assert width == pytest.approx(max(2, whole * float(share.removesuffix("\u00a0%")) / 100), abs=0.5)


def test_the_words_that_made_an_answer_are_shaded_on_a_click(browser, server, classifier):
    open_page(browser, server)
    ask(browser, "the 😀 soup was good")
    browser.click("document.querySelector('.explain')")
    browser.wait_for(EXPLAINED)
    own = classifier.explain("the 😀 soup was good", task="sentiment")
    (most, *_) = sorted(own.tokens, key=lambda token: -abs(token.importance))
    kind = "for" if most.importance > 0 else "against"
    words = "document.querySelector('.explained .words')"
    assert browser.value(f"{words}.textContent") == "the 😀 soup was good"
    strongest = f"[...{words}.children].find(span => span.style.getPropertyValue('--weight') === '1')"
    assert browser.value(f"[{strongest}.className, {strongest}.textContent]") == [kind, most.text]
    label, without = own.label, own.baseline - most.importance
    change = f"{'falls' if without < own.baseline else 'rises'} from {percent(own.baseline)} to {percent(without)}"
    first = browser.value(f"{words}.nextSibling.firstChild.textContent")
    assert first == f"Without “{most.text}”: {label} {change}"
    legend = browser.value("document.querySelector('article .legend').textContent")
    assert "Each word was left out in turn; the effects do not add up." in legend
    assert browser.value("document.getElementById('status').textContent").endswith(" ms")


def test_an_answer_that_no_word_decides_is_said_to_be_one(browser, classifier):
    def run_batch(batch, outputs):
        rows = batch.attention_mask.sum(axis=1, keepdims=True) * np.float32(1e-4)
        return [np.repeat(rows, widths[output], axis=1) for output in outputs]

    widths = {logits_output(task.name): task.width for task in classifier.specs}
    steady = dataclasses.replace(classifier, specs=classifier.specs[:2], run_batch=run_batch)
    with RunningServer([ServedModel(name="steady", classifier=steady)]) as server:
        open_page(browser, server)
        ask(browser, "the soup was good")
        browser.click("document.querySelector('.explain')")
        browser.wait_for(EXPLAINED)
        assert browser.value("document.querySelectorAll('.words span').length") == 0
        assert "No word decides this answer" in browser.value("document.querySelector('.explained').textContent")


def test_an_explanation_is_closed_and_opened_again_and_the_focus_stays(browser, server):
    open_page(browser, server)
    ask(browser, "the soup was good")
    button = "document.querySelector('.explain')"
    asked = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/v1/explain')).length"

    def state():
        return browser.value(
            f"[{button}.textContent, {button}.getAttribute('aria-expanded'), document.activeElement === {button},"
            " document.querySelectorAll('.explained:not([hidden])').length > 0]"
        )

    browser.value(f"{button}.focus()")
    browser.press("Enter")
    browser.wait_for(EXPLAINED)
    assert state() == ["Hide words", "true", True, True]
    browser.press("Enter")
    assert state() == ["Which words?", "false", True, False]
    browser.press("Enter")
    browser.value(f"{button}.blur()")
    browser.value("document.querySelector('article h3').tabIndex = -1; document.querySelector('article h3').focus()")
    browser.press("Escape")
    assert state() == ["Which words?", "false", True, False]
    assert browser.value(asked) == 1


def test_a_refused_explanation_says_so_in_its_card(browser, classifier):
    model = ServedModel(name="tiny", classifier=classifier)
    with RunningServer([model]) as server:
        open_page(browser, server)
        ask(browser, "the soup was good")
        server.service.is_stopping = True
        browser.value("document.querySelector('.explain').focus()")
        browser.press("Enter")
        problem = "document.querySelector('article .problem')"
        browser.wait_for(f"!{problem}.hidden")
        assert browser.value(f"{problem}.textContent").startswith("The server is starting or stopping.")
        assert browser.value("document.activeElement === document.querySelector('.explain')")
        assert browser.value(PROBLEM) == ""
        server.service.is_stopping = False
        browser.press("Enter")
        browser.wait_for(EXPLAINED)
        assert browser.value(f"{problem}.hidden")


def test_repeated_words_are_numbered_and_punctuation_is_not_named(browser, classifier):
    def run_batch(batch, outputs):
        ids = batch.input_ids * batch.attention_mask
        sums = ids.sum(axis=1) * 1e-2
        rows = np.stack([sums, -sums], axis=1).astype(np.float32)
        return [rows for _ in outputs]

    (spec, *_) = classifier.specs
    two = dataclasses.replace(spec, labels=spec.labels[:2])
    model = ServedModel(name="sum", classifier=dataclasses.replace(classifier, specs=(two,), run_batch=run_batch))
    with RunningServer([model]) as server:
        open_page(browser, server)
        ask(browser, "good, bad, good!")
        browser.click("document.querySelector('.explain')")
        browser.wait_for(EXPLAINED)
        lines = browser.value("[...document.querySelectorAll('.effects li')].map(e => e.textContent)")
        named = [re.match(r"Without “(.+)”( \(\d of \d\))?: ", line).groups("") for line in lines]
        assert sorted(named) == [("bad", ""), ("good", " (1 of 2)"), ("good", " (2 of 2)")]


def test_the_code_is_that_of_the_answers_until_words_are_chosen(browser, server):
    open_page(browser, server)
    ask(browser, "the soup was good")
    browser.click("document.querySelector('.explain')")
    browser.wait_for(EXPLAINED)
    assert "/v1/predict" in browser.value(CODE)
    browser.click("document.querySelector('input[value=explain]')")
    assert "/v1/explain" in browser.value(CODE)
    assert '{"text":"the soup was good"}' in browser.value(CODE)


def test_a_missing_sentence_is_said_next_to_the_field_until_something_is_typed(browser, server):
    open_page(browser, server)
    browser.wait_for(ANSWERED)
    browser.value(f"{TEXTS}.value = '  '; {TEXTS}.focus()")
    browser.press("Enter")
    browser.wait_for(f"{HINT} === 'Type a sentence first.'")
    browser.type("good")
    assert browser.value(HINT) == ""


def test_of_many_sentences_each_is_a_row_that_opens(browser, server, classifier):
    open_page(browser, server, window="phone")
    browser.wait_for(ANSWERED)
    lines = [f"the soup was good {number}" for number in range(11)]
    browser.value(f"{TEXTS}.value = {json.dumps(chr(10).join(lines))}; {TEXTS}.focus()")
    browser.press("Enter")
    browser.wait_for("document.querySelectorAll('article details').length === 11")
    assert browser.value("document.querySelectorAll('article table').length") == 0
    summary = browser.value("document.querySelectorAll('article summary')[10].textContent")
    assert summary.startswith(f"{lines[10]}{classifier(lines[10])['sentiment'].label}, ")
    browser.click("document.querySelectorAll('article summary')[10]")
    browser.wait_for("document.querySelectorAll('article table').length === 2")
    browser.click("document.querySelector('.explain')")
    browser.wait_for(EXPLAINED)
    assert browser.value("document.documentElement.scrollWidth") == WINDOWS["phone"]["width"]


def test_no_answer_is_shown_as_certain(browser, classifier):
    def run_batch(batch, outputs):
        return [np.tile(np.array([40, 0, -40], np.float32), (len(batch.input_ids), 1)) for _ in outputs]

    certain = dataclasses.replace(classifier, specs=classifier.specs[:1], run_batch=run_batch)
    with RunningServer([ServedModel(name="certain", classifier=certain)]) as server:
        open_page(browser, server)
        ask(browser, "good")
        assert [share for _, share in rows(browser)] == [">\u00a099.9\u00a0%", "<\u00a00.1\u00a0%", "<\u00a00.1\u00a0%"]


def test_a_long_sentence_is_three_lines_until_all_of_it_is_asked_for(browser, server):
    open_page(browser, server)
    ask(browser, "the soup was good " * 200)
    heights = "document.querySelector('article h3').getBoundingClientRect().height"
    assert browser.value(heights) < 100
    note = "[...document.querySelectorAll('article section > p')].map(e => e.textContent).join()"
    assert re.search(r"Only the first \d+ tokens \(about \d+ words\) were read", browser.value(note))
    browser.click("document.querySelector('article .small')")
    assert browser.value(heights) > 200
    browser.click("document.querySelector('article .small')")
    assert browser.value(heights) < 100


def test_a_page_that_shows_no_sentences_says_why(browser, classifier):
    models = [ServedModel(name="tiny", classifier=classifier)]
    with RunningServer(models, protocols=choose_protocols(page_data=False)) as server:
        open_page(browser, server)
        browser.wait_for("!document.getElementById('facts').hidden")
        assert "the server was started without --page-data" in browser.value(
            "document.querySelector('footer').textContent"
        )
        assert browser.value(f"{TEXTS}.placeholder")
        assert browser.value(f"{TEXTS}.value") == ""


def test_the_page_says_what_is_asked_and_that_a_label_is_always_chosen(browser, server):
    open_page(browser, server)
    browser.wait_for(ANSWERED)
    served = browser.value("document.getElementById('served').textContent")
    assert served.startswith("The model tiny answers three questions about each sentence: sentiment (")
    assert served.endswith("stars (a number).")
    always = browser.value("document.getElementById('always').textContent")
    assert always == "For sentiment it always chooses one of these labels, also for texts on something else."


def test_the_example_that_is_answered_stays_marked(browser, server):
    open_page(browser, server, window="phone")
    browser.wait_for(ANSWERED)
    pressed = "[...document.querySelectorAll('#examples button')].map(e => e.getAttribute('aria-pressed'))"
    assert browser.value(pressed).index("true") == 0
    browser.click("document.querySelectorAll('#examples button')[1]")
    browser.wait_for(f"{pressed}[1] === 'true'")
    assert browser.value(pressed).count("true") == 1
    cut = "[...document.querySelectorAll('#examples button')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert browser.value(cut) == 0
    assert browser.value("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('pre'))")


RUN_CODE = {
    "curl": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}


@pytest.mark.parametrize("language", RUN_CODE)
def test_the_code_makes_the_same_call(browser, server, language):
    tool = language if language == "curl" else RUN_CODE[language][0]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    text = 'it\'s "good" \\ $(soup) `bad` \u202e é 中'
    open_page(browser, server)
    ask(browser, text)
    browser.value(f"document.querySelector('input[value={language}]').click()")
    code = browser.value(CODE)
    assert "\u202e" not in code
    printed = code.replace("console.log(await response.json())", "console.log(JSON.stringify(await response.json()))")
    printed = printed.replace("print(json.load(", "print(json.dumps(json.load(").replace("(request)))", "(request))))")
    ran = subprocess.run([*RUN_CODE[language], printed], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ran.stdout) == server.predict(texts=[text])


def test_everything_works_by_keyboard_alone(browser, server):
    open_page(browser, server)
    ask(browser, "the soup was good")
    reached, focused = [], "(e => e.matches('.explain') ? e.textContent : e.id || e.textContent.trim() || e.tagName)"
    for _ in range(40):
        browser.press("Tab")
        reached.append(browser.value(f"{focused}(document.activeElement)"))
        if reached[-1] == "Which words?":
            outline = browser.value("getComputedStyle(document.activeElement).outlineStyle")
            browser.press("Enter")
    browser.wait_for(EXPLAINED)
    assert outline == "solid"
    assert {"Answer", "copy", "Which words?", "texts"} <= set(reached)


def test_a_screen_reader_finds_names_headings_and_a_live_region(browser, server):
    open_page(browser, server)
    ask(browser, "the soup was good")
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    named = {(n["role"]["value"], n["name"]["value"]) for n in nodes if not n["ignored"] and "name" in n}
    assert ("textbox", "Sentences, one on each line") in named
    assert ("heading", "the soup was good") in named
    assert ("button", "Which words? the soup was good") in named
    assert any(role == "table" and name.startswith("sentiment : ") for role, name in named)
    assert {("region", "Answers"), ("heading", "Answers")} <= named
    status = browser.value("document.getElementById('status').textContent")
    assert re.match(r"sentiment: (positive|negative), topics: .*, stars: [\d.]+\. 1 sentence answered in ", status)
    assert {"status", "main", "form"} <= {n["role"]["value"] for n in nodes}
    unnamed = [n for n in nodes if n["role"]["value"] in ("button", "textbox", "radio", "checkbox", "link")]
    assert all(n["name"]["value"] for n in unnamed if not n["ignored"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
def test_the_page_fits_its_window_and_can_be_read(browser, server, window, scheme):
    open_page(browser, server, window=window, prefers_color_scheme=scheme)
    ask(browser, "the soup was good and the match was awful\n" + "Donaudampfschifffahrt" * 12)
    browser.click("document.querySelector('.explain')")
    browser.wait_for(EXPLAINED)
    assert browser.value("document.documentElement.scrollWidth") == WINDOWS[window]["width"]
    contrast, text = browser.value(CONTRAST)
    assert contrast >= 4.5, text
    targets = "[...document.querySelectorAll('button, label:has(input)')].filter(e => e.checkVisibility())"
    assert min(browser.value(f"{targets}.map(e => e.getBoundingClientRect().height)")) >= 40


def test_nothing_moves_where_a_person_wants_no_motion(browser, server):
    open_page(browser, server, prefers_reduced_motion="reduce")
    ask(browser, "the soup was good")
    assert browser.value("document.getAnimations().length") == 0


def test_hostile_labels_task_names_and_texts_are_shown_as_text(browser, classifier):
    models = [ServedModel(name=f"a {HOSTILE}", classifier=with_hostile_names(classifier))]
    models.append(ServedModel(name="__proto__", classifier=classifier))
    with RunningServer(models) as server:
        open_page(browser, server)
        browser.wait_for(ANSWERED)
        ask(browser, f"good {HOSTILE}")
        browser.click("document.querySelector('.explain')")
        browser.wait_for("document.querySelectorAll('.explained:not([hidden])').length === 6")
        content = browser.value("document.querySelector('main').textContent")
        for shown in (f"positive {SHOWN}", f"good {SHOWN}", f"a {SHOWN}", f"0 {SHOWN}"):
            assert shown in content
        assert "\u202e" not in content
        assert "\u2066" not in content
        assert browser.value("document.images.length + document.scripts.length") == 1
        assert browser.value("document.title") != "hacked"
        assert browser.value("document.querySelectorAll('article h4').length") == 2
        assert browser.value("document.documentElement.scrollWidth") == WINDOWS["desktop"]["width"]


def test_several_bundles_answer_side_by_side(browser, classifier):
    turned = dataclasses.replace(classifier.specs[0], labels=tuple(reversed(classifier.specs[0].labels)))
    other = dataclasses.replace(classifier, specs=(turned, *classifier.specs[1:]))
    with RunningServer(
        [ServedModel(name=name, classifier=own) for name, own in (("a", classifier), ("b", other))]
    ) as server:
        open_page(browser, server)
        ask(browser, "good")
        assert "The models differ: sentiment" in browser.value("document.querySelector('article').textContent")
        tops = browser.value(
            "[...document.querySelectorAll('.models > section')].map(e => e.getBoundingClientRect().top)"
        )
        assert len(tops) == 2
        assert tops[0] == tops[1]
        browser.click("document.querySelector('#choice input[value=a]')")
        browser.wait_for("document.querySelectorAll('.models > section').length === 1")
        assert browser.value("document.querySelector('article h4 bdi').textContent") == "b"
        assert '"model":"a"' in browser.value(CODE)
        browser.click("document.querySelector('#choice input[value=b]')")
        browser.wait_for(f"{HINT} === 'Choose whom to ask.'")
        assert browser.value("document.getElementById('answers').classList.contains('stale')")


def test_an_api_key_is_asked_for_and_kept_in_memory_alone(browser, classifier):
    with RunningServer([ServedModel(name="tiny", classifier=classifier)], keys=["k-e-y"]) as server:
        open_page(browser, server)
        browser.wait_for("!document.getElementById('key').hidden")
        browser.type("wrong")
        browser.press("Enter")
        browser.wait_for(f"{PROBLEM} === 'The server does not know this API key.'")
        browser.type("k-e-y")
        browser.press("Enter")
        browser.wait_for(ANSWERED)
        assert browser.value(PROBLEM) == ""
        assert browser.value("document.getElementById('key').hidden")
        assert "k-e-y" not in browser.value(
            "document.documentElement.innerHTML + document.cookie + CODE".replace("CODE", CODE)
        )
        assert browser.value("localStorage.length + sessionStorage.length") == 0
        assert "$MTL_API_KEY" in browser.value(CODE)


def test_refusals_are_sentences(browser, classifier):
    model = ServedModel(name="tiny", classifier=classifier)
    with RunningServer([model], limits=Limits(max_texts=1, max_text_bytes=30)) as server:
        open_page(browser, server)
        browser.wait_for(ANSWERED)

        def refused(text, said):
            browser.value(f"{TEXTS}.select()")
            browser.type(text)
            browser.press("Enter")
            browser.wait_for(f"{PROBLEM}.includes({json.dumps(said)})")

        refused("a\nb", "These are 2 lines; at most 1 line here. For more, use mtl predict.")
        browser.wait_for("Number(getComputedStyle(document.getElementById('answers')).opacity) < 1")
        refused("é" * 16, "Sentence 1 is too long (32 bytes, at most 30 bytes). Shorten it.")
        server.service.requests = 10_000
        refused("good", "The server is busy. This page asks again in 1 second.")
        server.service.requests = 0
        server.service.is_stopping = True
        refused("good", "The server is starting or stopping.")
        server.service.is_stopping = False
        browser.wait_for("[...document.querySelectorAll('article h3')].pop().textContent === 'good'")  # by itself
        assert browser.value(PROBLEM) == ""
        assert not browser.value("document.getElementById('answers').classList.contains('stale')")
    refused("bad", "The server cannot be reached.")


@pytest.mark.parametrize(("keys", "address"), [((), "http://127.0.0.1:{port}/ui/evidence/tiny"), (("k-e-y",), "blob:")])
def test_the_evidence_page_opens_in_a_tab_of_its_own(browser, tmp_path, monkeypatch, keys, address):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle = shutil.copytree(TINY_BUNDLE, tmp_path / "bundle")
    verify(bundle)
    with RunningServer([ServedModel(name="tiny", classifier=load(bundle, threads=1))], keys=keys) as server:
        open_page(browser, server)
        if keys:
            browser.wait_for("!document.getElementById('key').hidden")
            browser.type(keys[0])
            browser.press("Enter")
        browser.wait_for(ANSWERED)
        browser.click("document.querySelector('footer a')")
        with browser.tab(address.format(port=server.port)):
            assert browser.value("document.title") == "bundle: evidence"
            assert browser.value("document.styleSheets[0].cssRules.length") > 50  # the policy lets the style through


def test_of_many_labels_the_most_probable_are_shown_and_the_others_on_demand(browser, classifier):
    labels = tuple(f"label_{number}" for number in range(30))
    spec = dataclasses.replace(classifier.specs[0], labels=labels)
    logits = np.random.default_rng(0).permutation(30).astype(np.float32)[None] / 10

    def run_batch(batch, outputs):
        return [np.repeat(logits, len(batch.input_ids), axis=0) for _ in outputs]

    many = dataclasses.replace(classifier, specs=(spec,), run_batch=run_batch)
    with RunningServer([ServedModel(name="many", classifier=many)]) as server:
        open_page(browser, server, window="phone")
        ask(browser, "good")
        order = [f"label_{index}" for index in np.argsort(-logits[0])]
        bars = "[...document.querySelectorAll('article tr')].filter(e => e.checkVisibility())"
        shown = f"{bars}.map(e => e.querySelector('bdi').textContent)"
        assert browser.value(shown) == order[:6]
        browser.click("document.querySelector('article summary')")
        assert browser.value(shown) == order
        assert browser.value("document.documentElement.scrollWidth") == WINDOWS["phone"]["width"]
