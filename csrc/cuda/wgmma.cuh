// wgmma.mma_async (PTX ISA 9.7.15), sm_90a: one warpgroup multiplies [64][16] by [16][columns] bf16
// numbers and adds to float sums, while its threads go on.
//
// Operand A lies in registers, in the fragments of mma.m16n8k16; warp w holds rows 16 w to 16 w
// + 15. The sums d[4 * j ...] are those of the columns 8 j to 8 j + 7, as in mma.m16n8k16, too.
// Operand B lies in shared memory and is named by a descriptor.
#pragma once

#ifndef __CUDACC__
#include <emulated_wgmma.h>  // the same functions on a CPU, for the tests
#else

#include <cstdint>

// "%10, %11, ... %19" and the operands d[i] ... d[i + 7], for the lists of an asm statement.
#define SIMGAN_TEN(t)                                                                              \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t \
  "9"
#define SIMGAN_FIRST_30 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, " SIMGAN_TEN(1) ", " SIMGAN_TEN(2) ", "
#define SIMGAN_SUMS_32 SIMGAN_FIRST_30 "%30, %31"
#define SIMGAN_SUMS_56 \
  SIMGAN_FIRST_30 SIMGAN_TEN(3) ", " SIMGAN_TEN(4) ", %50, %51, %52, %53, %54, %55"
#define SIMGAN_OPERANDS_8(d, i)                                                               \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define SIMGAN_OPERANDS_32(d, i)                                                      \
  SIMGAN_OPERANDS_8(d, i), SIMGAN_OPERANDS_8(d, i + 8), SIMGAN_OPERANDS_8(d, i + 16), \
      SIMGAN_OPERANDS_8(d, i + 24)

namespace simgan::cuda::ptx {

// Names a matrix of 16-bit numbers in shared memory, made of core matrices of 8 rows x 16 bytes,
// 128 bytes each without gaps, no swizzle (9.7.15.5.1). `by_k` and `by_column` are the distances in
// bytes from one core matrix to the next along K and along the columns of B. In a B whose rows of
// 16 bytes run along K ("K-major"), a core matrix is 8 columns x 8 of K; in a transposed one 8 of
// K x 8 columns.
__device__ __forceinline__ uint64_t matrix_descriptor(uint32_t address, uint32_t by_k,
                                                      uint32_t by_column) {
  return (address & 0x3ffff) >> 4 | static_cast<uint64_t>(by_k >> 4) << 16 |
         static_cast<uint64_t>(by_column >> 4) << 32;
}

// The descriptor of the matrix that starts `units` times 16 bytes further on.
__device__ __forceinline__ uint64_t move_descriptor(uint64_t descriptor, int units) {
  const auto low = static_cast<uint32_t>(descriptor) + static_cast<uint32_t>(units);
  return (descriptor & ~uint64_t{0xffffffff}) | low;
}

// Keeps the compiler from moving other work on the sums across: call it before fence_products and
// after wait_products.
template <int kSums>
__device__ __forceinline__ void pin(float (&sums)[kSums]) {
#pragma unroll
  for (int i = 0; i < kSums; ++i) asm volatile("" : "+f"(sums[i]) : : "memory");
}

// Before the first product, and whenever registers of sums or fragments were written otherwise.
__device__ __forceinline__ void fence_products() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Waits until at most the last `kGroups` groups are under way; until then their registers are not
// ours.
template <int kGroups>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}

// d[64][112] += a[64][16] * b[16][112], b K-major.
__device__ __forceinline__ void multiply_add_async(float (&d)[56], const uint32_t (&a)[4],
                                                   uint64_t b) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n112k16.f32.bf16.bf16 {" SIMGAN_SUMS_56
               "}, {%56, %57, %58, %59}, %60, 1, 1, 1, 0;"
               : SIMGAN_OPERANDS_32(d, 0), SIMGAN_OPERANDS_8(d, 32), SIMGAN_OPERANDS_8(d, 40),
                 SIMGAN_OPERANDS_8(d, 48)
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

// d[64][64] += a[64][16] * b[16][64], b transposed.
__device__ __forceinline__ void multiply_add_transposed_async(float (&d)[32],
                                                              const uint32_t (&a)[4], uint64_t b) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" SIMGAN_SUMS_32
               "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
               : SIMGAN_OPERANDS_32(d, 0)
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

}  // namespace simgan::cuda::ptx

#endif
