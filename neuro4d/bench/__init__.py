"""L10: measuring: the published networks next to other simulators, and how cost depends on sizes, threads, trials and events."""

from neuro4d.bench._compare import Case as Case
from neuro4d.bench._compare import judge as judge
from neuro4d.bench._networks import network as network
from neuro4d.bench._peers import PEERS as PEERS
from neuro4d.bench._peers import Peer as Peer
from neuro4d.bench._peers import parse_peers as parse_peers
from neuro4d.bench._processes import BenchmarkError as BenchmarkError
from neuro4d.bench._processes import on_cores as on_cores
from neuro4d.bench._registry import BENCHMARKS as BENCHMARKS
from neuro4d.bench._registry import Benchmark as Benchmark
from neuro4d.bench._registry import run_benchmark as run_benchmark
from neuro4d.bench._result import Check as Check
from neuro4d.bench._result import Column as Column
from neuro4d.bench._result import Outcome as Outcome
from neuro4d.bench._result import Report as Report
from neuro4d.bench._result import cell as cell
from neuro4d.bench._result import text_table as text_table
from neuro4d.bench._scaling import thread_numbers as thread_numbers
from neuro4d.bench._sizes import break_even as break_even
