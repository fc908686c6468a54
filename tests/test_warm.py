"""The warm engine gives what the stock engine gives, from kernels that know nothing of each other."""

import ast
import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from kernel_runs import GIVEN, Notebook, in_preloaders, needs_linux, pids, preloader_pids

from analysis.edition import load_edition
from noegletal.publish.manifest import EXECUTED
from noegletal.runner.execute import Job, run
from warmkernel import engine, preloader, provisioner, sockets

pytestmark = needs_linux
SECTIONS = load_edition("2025").sections


# Sections of the edition, byte for byte.


@pytest.fixture(scope="session")
def made(processed, tmp_path_factory):
    """Every file of a section of the edition by engine and section, made when first asked for."""
    folder = tmp_path_factory.mktemp("sections")

    def files(kind, plan):
        staging = folder / kind / plan.notebook
        if not staging.exists():
            notebook = ROOT / "notebooks" / f"{plan.notebook}.ipynb"
            outcome = run(Job(plan, "hovedstaden", notebook, GIVEN, processed, staging, 300, engine=kind))
            assert outcome.cause == "", f"{kind} {plan.notebook}"
        return {path.relative_to(staging).as_posix(): path.read_bytes() for path in staging.rglob("*.*")}

    return files


# Every fourth one: records and tables, lines and bars, the herberg model.
@pytest.mark.parametrize("plan", SECTIONS[::4], ids=lambda plan: plan.notebook)
@pytest.mark.long
def test_both_engines_make_the_same_section(made, plan):
    warm, stock = made("warm", plan), made("stock", plan)
    assert warm.keys() == stock.keys()
    assert [name for name in stock if warm[name] != stock[name]] == []
    published = [name for name in warm if name.startswith(("figurer/", "data/", "facts/"))]
    assert len(published) >= len(plan.outputs)
    figures = {output for output in plan.outputs if output.startswith("figur")}
    assert {Path(name).stem for name in warm if name.endswith((".svg", ".png"))} <= figures
    outputs = [output for cell in json.loads(warm[EXECUTED])["cells"] for output in cell.get("outputs", [])]
    drawn = [output for output in outputs if "<svg" in str(output) or "image/svg+xml" in str(output)]
    assert len(drawn) == len([name for name in warm if name.endswith(".svg")])
    assert drawn or not figures


# What a notebook can see of its kernel.

CELLS = [
    # Packages leave traces in the environment and the warnings; the preloader has them before the first cell.
    "from analysis import section",
    # How things are shown.
    "import pandas as pd\nwide = pd.DataFrame({f'spalte_{n}': range(70) for n in range(30)})\nprint(wide)\nwide",
    "print(pd.get_option('display.max_columns'), pd.get_option('display.width'))\npd.describe_option('display')",
    "import numpy as np\nprint(np.get_printoptions())\nnp.arange(2000) / 7",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);",
    "import seaborn as sns\nsns.histplot([1, 2, 2, 3]);\nplt.figure()\nplt.bar(['a'], [1]);",
    "from matplotlib.figure import Figure\nfigure = Figure()\nfigure.subplots().plot([1])\nfigure",
    "import matplotlib\nprint(matplotlib.get_backend(), plt.isinteractive(), sorted(matplotlib.rcParams.items()))",
    "import statsmodels.api as sm\nprint(sm.OLS([1, 2, 4.0], sm.add_constant([1, 2, 3])).fit().params)",
    # What the kernel is.
    "import os, sys, signal, locale, socket, threading, resource\n"
    "own = ('JPY_PARENT_PID', 'NOEGLETAL_PUBLISH')\n"
    "print({name: value for name, value in sorted(os.environ.items()) if name not in own})",
    "print(sys.path, sys.flags, sys._xoptions, sys.executable, sys.argv[0], len(sys.argv), os.getcwd())",
    "print(sys.stdin.isatty(), os.read(0, 1), os.getpid() == os.getpgid(0) == os.getsid(0))",
    "print(sorted((s.name, str(signal.getsignal(s))[:30]) for s in signal.valid_signals() if hasattr(s, 'name')))\n"
    "print(signal.pthread_sigmask(signal.SIG_BLOCK, []), os.umask(0o22), locale.getlocale(), hash('æ'))",
    "print(sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith('Thread')))\n"
    "print(threading.current_thread() is threading.main_thread(), resource.getrlimit(resource.RLIMIT_NOFILE))",
    "import gc, warnings, logging\nprint(gc.isenabled(), gc.get_threshold(), logging.getLogger().handlers)\n"
    "print(sorted(map(str, warnings.filters)))\nimport __main__\n"
    "print(__main__.__name__, hasattr(__main__, '__file__'), __name__)",
    # What a cell can do.
    "import asyncio\nawait asyncio.sleep(0.01)\nprint('efter')",
    "!echo fra skallen; echo til fejl >&2",
    "value = !printf 'a\\nb'\nprint(list(value))",
    "os.write(1, b'direkte\\n');",
    "import subprocess\nprint(subprocess.run(['echo', 'et program'], capture_output=True, text=True).stdout)",
    "subprocess.run(['echo', 'uden omvej']);",
    "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor\n"
    "import math\n"
    "with ThreadPoolExecutor(4) as pool: print(list(pool.map(math.sqrt, range(4))))\n"
    "with ProcessPoolExecutor(2) as pool: print(list(pool.map(math.sqrt, range(4))))",
    "def own(n): return n * n\n"
    "import multiprocessing\n"
    "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(own, range(4)))\n"
    "with multiprocessing.get_context('spawn').Pool(2) as pool: print(pool.map(math.sqrt, range(4)))",
    "child = os.fork()\nif child == 0:\n    os._exit(7)\nprint(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
    "import pyarrow as pa, pyarrow.compute as pc\nprint(pc.sum(pa.chunked_array([range(1000)] * 50)))",
    "big = np.ones((400, 400))\nprint((big @ big).sum())",
    "%config InlineBackend.figure_formats\nprint(get_ipython().history_manager.hist_file)",
    "import ipywidgets\nprint('jupyter.widget' in get_ipython().kernel.comm_manager.targets)\n"
    "ipywidgets.IntSlider(description='skyder').description",
]


@pytest.mark.long
def test_a_notebook_sees_the_same_of_both_engines(tmp_path):
    warm, stock = (Notebook(tmp_path, kind, CELLS).run() for kind in ("warm", "stock"))
    assert (warm.cause, stock.cause) == ("", "")
    figures = 0
    for ours, theirs in zip(warm.executed.cells, stock.executed.cells, strict=True):
        assert ours.get("outputs") == theirs.get("outputs"), ours.source
        figures += sum("image/png" in output.get("data", {}) for output in ours.get("outputs", []))
    assert figures == 4


def test_each_notebook_draws_its_own_random_numbers(tmp_path):
    cell = (
        "import os, random, secrets, tempfile, uuid, numpy as np\n"
        "from scipy import stats\n"
        "for drawn in (random.random(), np.random.rand(), np.random.default_rng().random(), secrets.token_hex(),\n"
        "              uuid.uuid4(), os.urandom(8), stats.norm.rvs(), next(tempfile._get_candidate_names())):\n"
        "    print(drawn)"
    )
    one, two = (Notebook(tmp_path, "warm", [cell]).run().printed.splitlines() for _ in range(2))
    assert len(one) == 8
    assert not set(one) & set(two)


def test_nothing_of_a_notebook_reaches_the_next(tmp_path):
    first = """
        import os, sys, builtins, locale, random, warnings
        import matplotlib, numpy as np, pandas as pd, seaborn as sns
        from analysis import areas, danish
        mine = 1
        builtins.mine = 2
        sys.mine = 3
        os.environ["MINE"] = "4"
        os.chdir("/")
        sys.path.insert(0, "/mine")
        sys.modules["mine"] = sys
        danish.number = None
        print(areas.area_table.cache_info().currsize, len(areas.area_table()), areas.area_table.cache_info().currsize)
        sns.set_theme(font_scale=5)
        matplotlib.rcParams["figure.dpi"] = 17
        pd.set_option("display.max_rows", 3)
        np.set_printoptions(precision=1)
        random.seed(1); np.random.seed(1)
        warnings.simplefilter("error")
        open("/dev/null")
    """
    second = """
        import os, sys, builtins, random, warnings
        import matplotlib, numpy as np, pandas as pd
        from analysis import areas, danish
        print("mine" in globals(), hasattr(builtins, "mine"), hasattr(sys, "mine"), "MINE" in os.environ)
        print(os.getcwd(), "/mine" in sys.path, "mine" in sys.modules, danish.number(1234))
        print(areas.area_table.cache_info().currsize)
        print(matplotlib.rcParams["figure.dpi"], matplotlib.rcParams["font.size"])
        print(pd.get_option("display.max_rows"), np.get_printoptions()["precision"])
        print(("error", None, Warning, None, 0) in warnings.filters)
    """
    cells = ["\n".join(line.strip() for line in text.splitlines()) for text in (first, second)]
    before = Notebook(tmp_path, "warm", [cells[0]]).run()
    assert before.cause == ""
    assert before.printed.split()[0] == "0", "the preloader has not called anything"
    after = Notebook(tmp_path, "warm", [cells[1]]).run()
    assert after.cause == ""
    assert after.printed == (f"False False False False\n{Path.cwd()} False False 1.234\n0\n100.0 10.0\n60 8\nFalse\n")


def test_a_kernel_reads_the_project_of_its_own_job(tmp_path, monkeypatch):
    cell = "from analysis.edition import editions, project_root\nprint(project_root(), editions())"
    monkeypatch.setenv("NOEGLETAL_ROOT", str(ROOT))
    here = Notebook(tmp_path, "warm", [cell]).run()
    known = preloader_pids()
    other = tmp_path / "other"
    (other / "data" / "reference").mkdir(parents=True)
    (other / "editions").mkdir()
    (other / "editions" / "1999.yml").touch()
    monkeypatch.setenv("NOEGLETAL_ROOT", str(other))
    there = Notebook(tmp_path, "warm", [cell]).run()
    assert here.printed == f"{ROOT} ['2025']\n"
    assert there.printed == f"{other} ['1999']\n"
    assert preloader_pids() == known


@pytest.mark.parametrize("engine", ["warm", "stock"])
def test_a_kernel_of_the_same_name_elsewhere_is_not_run(tmp_path, monkeypatch, engine):
    spec = {"argv": ["false", "-f", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    (tmp_path / "runs").mkdir()
    run = Notebook(tmp_path / "runs", engine, ["import sys\nprint(sys.executable)"]).run()
    assert run.printed == f"{sys.executable}\n"


def test_what_is_read_at_import_takes_another_preloader(tmp_path, monkeypatch):
    cell = "import matplotlib\nimport time\nprint(matplotlib.rcParams['lines.linewidth'], time.tzname)"
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7\n", encoding="ascii")
    (tmp_path / "runs").mkdir()
    in_preloaders(monkeypatch, tmp_path, "pass")
    usual = Notebook(tmp_path / "runs", "warm", [cell]).run().printed
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    monkeypatch.setenv("TZ", "Europe/Copenhagen")
    assert Notebook(tmp_path / "runs", "warm", [cell]).run().printed == "7.0 ('CET', 'CEST')\n" != usual


def test_the_preloader_imports_what_notebooks_import():
    wanted = set()
    for plan in SECTIONS:
        notebook = nbformat.read(ROOT / "notebooks" / f"{plan.notebook}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                for node in ast.walk(ast.parse(cell.source)):
                    if isinstance(node, ast.ImportFrom):
                        wanted |= {f"{node.module}.{alias.name}" for alias in node.names}
                    elif isinstance(node, ast.Import):
                        wanted |= {alias.name for alias in node.names}
    code = (
        "import sys, json\nfrom noegletal.runner.engine import NOTEBOOK_MODULES\nfrom warmkernel import preloader\n"
        "preloader.preload(NOTEBOOK_MODULES)\nwanted = (*preloader.MODULES, *NOTEBOOK_MODULES)\n"
        "print(json.dumps([sorted(sys.modules), [name for name in wanted if name not in sys.modules]]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    loaded, failed = json.loads(result.stdout)
    assert {name for name in wanted if name not in loaded} == set()
    assert failed == [], "each of them can be imported"
    assert "matplotlib_inline.backend_inline" not in loaded, "bound to the shell that imports it: no figures"


# Where it works and where it does not.


@pytest.fixture
def untested(monkeypatch):
    """Forget what this process knows about the engine, before and after."""
    engine.self_test.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    engine.self_test.cache_clear()


def test_the_engine_is_chosen_by_its_self_test(untested):
    assert [engine.choose(name) for name in ("stock", "warm", "auto")] == ["stock", "warm", "warm"]
    assert engine.why_stock() == ""
    with pytest.raises(engine.EngineError, match="engine 'fork' is not known; choose one of auto, warm, stock"):
        engine.choose("fork")


def test_other_systems_take_the_stock_engine(untested):
    untested.setattr(sys, "platform", "darwin")
    assert engine.choose("auto") == "stock"
    assert engine.why_stock() == "kernels are forked on Linux only"
    with pytest.raises(
        engine.EngineError, match="does not work here: kernels are forked on Linux only; use --engine stock"
    ):
        engine.choose("warm")


@pytest.mark.parametrize(
    ("startup", "reason"),
    [
        ("import threading, time\nthreading.Thread(target=time.sleep, args=[60], daemon=True).start()", "1 threads"),
        ("import os, sys\nif 'preloader' in sys.argv[0]: os._exit(3)", "the preloader ended"),
        ("import sys\nsys.modules['ipykernel'] = None", "ipykernel cannot be imported"),
        ("import os\ndef refuse(): raise OSError(11, 'no more')\nos.fork = refuse", "no process can be forked"),
        ("import os\nos.setsid = lambda: os._exit(4)", "died"),
    ],
    ids=["a thread", "it dies", "no ipykernel", "no fork", "a child dies"],
)
def test_a_preloader_that_cannot_serve_gives_the_stock_engine(untested, tmp_path, startup, reason):
    in_preloaders(untested, tmp_path, startup)
    assert engine.choose("auto") == "stock"
    assert reason in engine.why_stock()
    assert "\n" not in engine.why_stock()
    assert Notebook(tmp_path / "runs", "stock", ["print(1)"]).run().printed == "1\n"


def test_another_kernel_than_the_stock_one_is_refused(untested):
    untested.setattr(preloader, "KERNEL_MODULE", "ipykernel_launcher")
    untested.setattr(provisioner, "KERNEL_MODULE", "some_other_launcher")
    assert "is not started by some_other_launcher" in engine.self_test()


# Sockets.


def test_sockets_lie_in_a_folder_of_their_own(tmp_path):
    with sockets.kernel_transport() as transport:
        folder = Path(transport.KernelManager.connection_file).parent
        assert transport.KernelManager.transport == "ipc"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    cell = "import json, sys\nprint(open(sys.argv[2]).read())"
    found = Notebook(tmp_path, "warm", [cell]).run()
    connection = json.loads(found.printed)
    assert connection["transport"] == "ipc"
    assert Path(connection["ip"]).parent.name.startswith(sockets.PREFIX)
    assert not Path(connection["ip"]).parent.exists()


def test_folders_of_killed_runs_are_swept_and_those_in_use_are_not(tmp_path):
    told = tmp_path / "told"
    code = (
        "import os, sys, tempfile, time\nfrom pathlib import Path\nfrom warmkernel import sockets\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "with sockets.kernel_transport() as transport:\n"
        f"    Path({str(told)!r}).write_text(f'{{os.getpid()}}\\n')\n"
        "    time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code])
    pids(told)
    (folder,) = tmp_path.glob(f"{sockets.PREFIX}*")
    sockets._sweep.cache_clear()
    sockets._sweep(tmp_path)
    assert folder.exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert folder.exists()
    sockets._sweep.cache_clear()
    sockets._sweep(tmp_path)
    assert not folder.exists()


def test_a_long_name_of_the_folder_for_temporary_files(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    done = Notebook(tmp_path / "runs", "warm", ["print(1)"]).run()
    assert (done.cause, done.printed) == ("", "1\n")
    assert list(long.iterdir()) == []
