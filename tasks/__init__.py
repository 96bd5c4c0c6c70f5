"""The zoo: small and paper-sized trainings that data_gen, proxy_eval and the benchmarks run."""

from importlib.util import find_spec

NEEDED = ("matplotlib", "pandas", "PIL", "pyarrow", "scipy", "sklearn", "tqdm", "transformers")

if missing := [name for name in NEEDED if find_spec(name) is None]:
    raise ModuleNotFoundError(f"the stages need {', '.join(missing)}: pip install -e '.[pipeline]'")
