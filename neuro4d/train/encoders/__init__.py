"""Encoders: from numbers to sequences, `(batch, ...)` to `(time, batch, ...)`."""

from neuro4d.train.encoders._constant import AbstractEncoder as AbstractEncoder
from neuro4d.train.encoders._constant import Direct as Direct
from neuro4d.train.encoders._constant import Latency as Latency
from neuro4d.train.encoders._constant import Rate as Rate
from neuro4d.train.encoders._series import Delta as Delta
from neuro4d.train.encoders._series import Timed as Timed
