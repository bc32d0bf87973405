"""The history's swap: images out, refined ones in, at slots drawn on the device (2.3)."""

from simgan.kernels.history_exchange.op import history_exchange_
from simgan.kernels.history_exchange.reference import draw_slots_

__all__ = ["draw_slots_", "history_exchange_"]
