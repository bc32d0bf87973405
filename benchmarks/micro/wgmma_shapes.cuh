// wgmma of other widths than the kernels use, with operand A in registers (multiply_rs) or in
// shared memory (multiply_ss), to compare their rates.
#pragma once

#include "../../csrc/cuda/wgmma.cuh"

#define MICRO_SUMS_64 \
  SIMGAN_FIRST_30 SIMGAN_TEN(3) ", " SIMGAN_TEN(4) ", " SIMGAN_TEN(5) ", %60, %61, %62, %63"
#define MICRO_SUMS_128 \
  SIMGAN_FIRST_30 SIMGAN_TEN(3) ", " SIMGAN_TEN(4) ", " SIMGAN_TEN(5) ", " SIMGAN_TEN(6) ", "      \
  SIMGAN_TEN(7) ", " SIMGAN_TEN(8) ", " SIMGAN_TEN(9) ", " SIMGAN_TEN(10) ", " SIMGAN_TEN(11)      \
  ", %120, %121, %122, %123, %124, %125, %126, %127"
#define MICRO_OPERANDS_64(d) SIMGAN_OPERANDS_32(d, 0), SIMGAN_OPERANDS_32(d, 32)
#define MICRO_OPERANDS_128(d) \
  MICRO_OPERANDS_64(d), SIMGAN_OPERANDS_32(d, 64), SIMGAN_OPERANDS_32(d, 96)
#define MICRO_OPERANDS_56(d)                                                    \
  SIMGAN_OPERANDS_32(d, 0), SIMGAN_OPERANDS_8(d, 32), SIMGAN_OPERANDS_8(d, 40), \
      SIMGAN_OPERANDS_8(d, 48)

// `p0` to `p4` are the numbers of the operands after the sums.
#define MICRO_SHAPE(columns, sums, p0, p1, p2, p3, p4, ...)                                      \
  __device__ __forceinline__ void multiply_rs(float (&d)[columns / 2], const uint32_t (&a)[4],   \
                                              uint64_t b) {                                      \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" sums         \
                 "}, {%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 "}, %" #p4 ", 1, 1, 1, 0;"            \
                 : __VA_ARGS__                                                                   \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                          \
  }                                                                                              \
  __device__ __forceinline__ void multiply_ss(float (&d)[columns / 2], uint64_t a, uint64_t b) { \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" sums         \
                 "}, %" #p0 ", %" #p1 ", 1, 1, 1, 0, 0;"                                         \
                 : __VA_ARGS__                                                                   \
                 : "l"(a), "l"(b));                                                              \
  }

namespace micro {

MICRO_SHAPE(64, SIMGAN_SUMS_32, 32, 33, 34, 35, 36, SIMGAN_OPERANDS_32(d, 0))
MICRO_SHAPE(112, SIMGAN_SUMS_56, 56, 57, 58, 59, 60, MICRO_OPERANDS_56(d))
MICRO_SHAPE(128, MICRO_SUMS_64, 64, 65, 66, 67, 68, MICRO_OPERANDS_64(d))
MICRO_SHAPE(256, MICRO_SUMS_128, 128, 129, 130, 131, 132, MICRO_OPERANDS_128(d))

}  // namespace micro
