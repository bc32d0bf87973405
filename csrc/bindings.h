// What the parts of simgan.kernels._native share.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "launchers.h"

namespace simgan::python {

namespace py = pybind11;

using Address = uintptr_t;  // tensor.data_ptr()
using Unlocked = py::call_guard<py::gil_scoped_release>;

template <typename T>
T* at(Address address) {
  return reinterpret_cast<T*>(address);
}

inline BlockShape block_shape(const std::array<int64_t, 4>& s) {
  return {s[0], s[1], s[2], s[3]};
}

inline void check_cpu(int code) {
  if (code == kSlotOutOfRange) {
    throw std::out_of_range("slots must be in 0 <= slot < capacity of buffer; nothing was written");
  }
  if (code == kOutOfMemory) throw std::bad_alloc();
  if (code == kNoSuchInstructions) {
    throw std::out_of_range("instructions must be the place of one in instruction_sets()");
  }
}

inline void check_cuda(int code) {
  if (code != 0) {
    throw std::runtime_error(std::string("a CUDA kernel could not be started: ") +
                             cuda::error_text(code));
  }
}

void bind_residual_block(py::module_& m);
void bind_residual_trunk(py::module_& m);

}  // namespace simgan::python
