"""What the desktop is asked to show of jobs that have ended, and when it is not."""

import pytest

LOAD = "%load_ext caikit_nb"
GOOD = "%%caikit_job good\n1"
BAD = "%%caikit_job bad\n1 / 0"
CANCELED = "%%caikit_job endless --timeout 1h\nimport threading\nthreading.Event().wait()"

# The desktop is not the page's: what a test can see is what the page asks it for.
WATCH = """(() => {
    window.testFocus = false;
    document.hasFocus = () => window.testFocus;
    window.testShown = [];
    window.Notification = class extends window.Notification {
        constructor(title, options) {
            super(title, options);
            window.testShown.push({ title, note: this });
        }
    };
})()"""
TITLES = "() => window.testShown.map(shown => shown.title)"
CLICK = "() => window.testShown[0].note.onclick()"
ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"


@pytest.fixture
def open_notebook(lab_server, fresh_page):
    """A page whose browser may notify, and whose user looks elsewhere."""

    def open_cells(*cells, may=True, **settings):
        wanted = {"notifyAfterS": 0, "desktopNotifications": True, **settings}
        lab_server.set("caikit-nb", "plugin", wanted)
        fresh_page.page.add_init_script(WATCH)
        if may:
            fresh_page.page.context.grant_permissions(["notifications"], origin=lab_server.url)
        fresh_page.open(fresh_page.write_notebook("desktop.ipynb", [LOAD, *cells]))
        return fresh_page

    yield open_cells
    lab_server.set("caikit-nb", "plugin", {})
    fresh_page.page.context.clear_permissions()


def wait_for_center(page, text):
    """Until JupyterLab itself has told of it: the desktop was asked just after, or not at all."""
    page.execute("apputils:display-notifications")
    page.page.locator(".jp-Notification-Center").get_by_text(text).first.wait_for()


def test_ends_are_told_and_a_click_leads_to_the_cell(open_notebook):
    page = open_notebook(GOOD, BAD)
    page.run_cell(0)
    page.wait_idle()
    page.run_cell(2)
    page.page.wait_for_function("() => window.testShown.length === 1")
    page.run_cell(1)
    page.page.wait_for_function("() => window.testShown.length === 2")
    bad, good = page.page.evaluate(TITLES)
    assert bad.startswith("bad failed after"), bad
    assert "ZeroDivisionError" in bad
    assert good.startswith("good completed after")
    page.page.evaluate(CLICK)
    page.page.wait_for_function(f"() => ({ACTIVE})() === 2")


def test_a_canceled_job_is_not_told_of(open_notebook):
    page = open_notebook(CANCELED, GOOD)
    page.run_cell(0)
    page.run_cell(1)
    page.cell_output(1).get_by_role("button", name="Cancel").click()
    page.cell_output(1).get_by_text("cancelled").first.wait_for()
    page.run_cell(2)
    page.page.wait_for_function("() => window.testShown.length === 1")
    assert "good" in page.page.evaluate(TITLES)[0]


def test_who_looks_at_the_page_is_not_told_by_the_desktop(open_notebook):
    page = open_notebook(GOOD)
    page.page.evaluate("() => { window.testFocus = true; }")
    page.run_all()
    wait_for_center(page, "good completed after")
    assert page.page.evaluate(TITLES) == []


@pytest.mark.parametrize(("may", "wants"), [(False, True), (True, False)])
def test_without_the_setting_or_the_permission_nothing_is_asked(open_notebook, may, wants):
    page = open_notebook(GOOD, may=may, desktopNotifications=wants)
    page.run_all()
    wait_for_center(page, "good completed after")
    assert page.page.evaluate(TITLES) == []


@pytest.mark.parametrize(("may", "says"), [(True, "Allowed."), (False, "does not allow")])
def test_the_command_asks_the_browser_and_says_what_it_answered(open_notebook, may, says):
    page = open_notebook(may=may)
    page.execute("apputils:display-notifications")
    page.execute("caikit-nb:allow-desktop-notifications")
    page.page.locator(".jp-Notification-Center").get_by_text(says).wait_for()
