"""Tuners of trained classifiers: thresholds, time steps, neurons, and what each saves."""

from neuro4d.train.tuners._chip import ChipEnergy as ChipEnergy
from neuro4d.train.tuners._chip import chip_workload as chip_workload
from neuro4d.train.tuners._compare import ModelRow as ModelRow
from neuro4d.train.tuners._compare import ModelTable as ModelTable
from neuro4d.train.tuners._compare import compare_models as compare_models
from neuro4d.train.tuners._compare import compare_neurons as compare_neurons
from neuro4d.train.tuners._early_exit import EarlyExit as EarlyExit
from neuro4d.train.tuners._early_exit import Exited as Exited
from neuro4d.train.tuners._energy import measure_energy as measure_energy
from neuro4d.train.tuners._energy import synaptic_operations as synaptic_operations
from neuro4d.train.tuners._exit_loss import ExitLoss as ExitLoss
from neuro4d.train.tuners._exit_loss import exit_probabilities as exit_probabilities
from neuro4d.train.tuners._neurobench import AlgorithmMetrics as AlgorithmMetrics
from neuro4d.train.tuners._neurobench import neurobench as neurobench
from neuro4d.train.tuners._threshold_tuner import ThresholdTuner as ThresholdTuner
from neuro4d.train.tuners._timestep_optimizer import Operating as Operating
from neuro4d.train.tuners._timestep_optimizer import StepTable as StepTable
from neuro4d.train.tuners._timestep_optimizer import TimestepChoice as TimestepChoice
from neuro4d.train.tuners._timestep_optimizer import TimestepOptimizer as TimestepOptimizer
