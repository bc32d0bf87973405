// The instructions of csrc/cuda/ptx.cuh on the emulator.
//
// Where the operands of warp-wide instructions lie (PTX ISA 8.x; g = lane / 4, t = lane % 4; a
// register holds two 16-bit elements, the lower index in its lower half):
//   9.7.14.5.8 "Matrix Fragments for mma.m16n8k16 with floating point type"
//     A [16][16]: register 0 = (g, 2t), 1 = (g + 8, 2t), 2 = (g, 2t + 8), 3 = (g + 8, 2t + 8)
//     B [16][8]:  register 0 = (2t, g), 1 = (2t + 8, g); the two elements differ in the row
//     C, D [16][8]: floats 0, 1 = (g, 2t), (g, 2t + 1); 2, 3 = (g + 8, 2t), (g + 8, 2t + 1)
//   9.7.14.5.15 "ldmatrix": lanes 8m .. 8m + 7 give the addresses of the 8 rows of matrix m, 16
//     bytes each; lane l gets of every matrix row g, elements 2t and 2t + 1; with .trans column g,
//     rows 2t and 2t + 1.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "machine.h"

namespace simgan::cuda::ptx {

namespace detail {

inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
inline float to_float(__half value) {
  return __half2float(value);
}

// The lower or upper 16 bits of a register as a number.
template <typename Element>
float half_of(uint32_t word, int upper) {
  return to_float(Element{static_cast<uint16_t>(word >> 16 * upper)});
}

template <typename Element>
uint32_t bits_of(float value) {
  if constexpr (std::is_same_v<Element, __half>) return __float2half_rn(value).bits;
  if constexpr (std::is_same_v<Element, __nv_bfloat16>) return __float2bfloat16_rn(value).bits;
}

struct MmaOperands {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

// One accumulator is rounded after every product, as unkind as any order of the hardware's sum.
template <typename Element>
void multiply(MmaOperands* const* lanes) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < emulation::kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 2; ++i) {
      for (int r = 0; r < 4; ++r) {
        a[g + 8 * (r % 2)][2 * t + 8 * (r / 2) + i] = half_of<Element>(lanes[lane]->a[r], i);
      }
      for (int r = 0; r < 2; ++r) b[2 * t + 8 * r + i][g] = half_of<Element>(lanes[lane]->b[r], i);
    }
  }
  for (int row = 0; row < 16; ++row) {
    float sum[8];
    const int lane = row % 8 * 4, r = row / 8 * 2;
    for (int n = 0; n < 8; ++n) sum[n] = lanes[lane + n / 2]->d[r + n % 2];
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < 8; ++n) sum[n] += a[row][k] * b[k][n];
    }
    for (int n = 0; n < 8; ++n) lanes[lane + n / 2]->d[r + n % 2] = sum[n];
  }
}

struct MatrixOperands {
  uint32_t* registers;
  uint32_t address;
};

// The four matrices whose rows the lanes name, as the lanes' registers.
inline void load_matrices(MatrixOperands* const* lanes, int matrices, bool transposed) {
  const int first_thread = emulation::current().warp() * emulation::kLanes;
  for (int m = 0; m < matrices; ++m) {
    uint16_t rows[8][8];
    for (int row = 0; row < 8; ++row) {
      const int lane = 8 * m + row;
      const emulation::Thread& thread = *emulation::machine.threads[first_thread + lane];
      emulation::machine.shared.read(rows[row], lanes[lane]->address, 16, thread.number,
                                     thread.clock, "ldmatrix");
    }
    for (int lane = 0; lane < emulation::kLanes; ++lane) {
      const int g = lane / 4, t = lane % 4;
      const uint16_t low = transposed ? rows[2 * t][g] : rows[g][2 * t];
      const uint16_t high = transposed ? rows[2 * t + 1][g] : rows[g][2 * t + 1];
      lanes[lane]->registers[m] = low | static_cast<uint32_t>(high) << 16;
    }
  }
}

}  // namespace detail

inline uint32_t dynamic_shared() {
  return emulation::SharedMemory::kBase;
}

template <typename T>
T load_shared(uint32_t address) {
  T value;
  const emulation::Thread& thread = emulation::current();
  emulation::machine.shared.read(&value, address, sizeof(T), thread.number, thread.clock,
                                 "ld.shared");
  return value;
}

template <typename T>
void store_shared(uint32_t address, const T& value) {
  const emulation::Thread& thread = emulation::current();
  emulation::machine.shared.write(address, &value, sizeof(T), thread.number, thread.clock,
                                  "st.shared");
}

inline void load_matrices(uint32_t (&registers)[4], uint32_t row_address) {
  detail::MatrixOperands mine{registers, row_address};
  emulation::together("ldmatrix.x4", mine, [](detail::MatrixOperands* const* lanes) {
    detail::load_matrices(lanes, 4, false);
  });
}

inline void load_matrices_transposed(uint32_t (&registers)[4], uint32_t row_address) {
  detail::MatrixOperands mine{registers, row_address};
  emulation::together("ldmatrix.x4.trans", mine, [](detail::MatrixOperands* const* lanes) {
    detail::load_matrices(lanes, 4, true);
  });
}

template <typename Element>
void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t b[2] = {b0, b1};
  detail::MmaOperands mine{d, a, b};
  emulation::together("mma.m16n8k16", mine, detail::multiply<Element>);
}

template <typename Element>
uint32_t pack_relu(float low, float high) {
  return detail::bits_of<Element>(low < 0.0f ? 0.0f : low) |
         detail::bits_of<Element>(high < 0.0f ? 0.0f : high) << 16;
}

// The copy is made when it is waited for: a read before that finds NaN or fails.
inline void copy_async(uint32_t to, const void* from, bool inside) {
  emulation::Thread& thread = emulation::current();
  if (reinterpret_cast<uintptr_t>(from) % 16 != 0) {
    emulation::fail("thread %d: cp.async from misaligned %p", thread.number, from);
  }
  emulation::machine.shared.expect(to, 16, thread.number, thread.clock, "cp.async");
  thread.copies.back().push_back({to, inside ? from : nullptr, 16});
}

inline void commit_copies() {
  emulation::current().copies.emplace_back();
}

template <int kGroups>
void wait_copies() {
  emulation::Thread& thread = emulation::current();
  while (thread.copies.size() - 1 > kGroups) {
    for (const emulation::AsyncCopy& copy : thread.copies.front()) {
      unsigned char bytes[16] = {};
      if (copy.from != nullptr) std::memcpy(bytes, copy.from, copy.bytes);
      emulation::machine.shared.deliver(copy.to, bytes, copy.bytes, thread.number, thread.clock,
                                        "cp.async");
    }
    thread.copies.erase(thread.copies.begin());
  }
}

}  // namespace simgan::cuda::ptx
