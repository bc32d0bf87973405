// The instructions that C++ has no word for (PTX ISA), for sm_80 and newer. Addresses in shared
// memory are 32-bit ones of the shared window.
#pragma once

#ifndef __CUDACC__
#include <emulated_ptx.h>  // the same functions on a CPU, for the tests
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace simgan::cuda::ptx {

// Where the dynamic shared memory of the CTA starts; aligned to 16 bytes at least.
__device__ __forceinline__ uint32_t dynamic_shared() {
  extern __shared__ __align__(16) unsigned char memory[];
  return static_cast<uint32_t>(__cvta_generic_to_shared(memory));
}

template <typename T>
__device__ __forceinline__ T load_shared(uint32_t address) {
  return *static_cast<const T*>(__cvta_shared_to_generic(address));
}

template <typename T>
__device__ __forceinline__ void store_shared(uint32_t address, const T& value) {
  *static_cast<T*>(__cvta_shared_to_generic(address)) = value;
}

// ldmatrix: four 8x8 matrices of 16-bit elements; lane l names row l % 8 of matrix l / 8 and gets
// elements 2 * (l % 4) and + 1 of row l / 4 of each.
__device__ __forceinline__ void load_matrices(uint32_t (&registers)[4], uint32_t row_address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(row_address)
               : "memory");
}

// The same of the transposed matrices: rows 2 * (l % 4) and + 1 of column l / 4.
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&registers)[4],
                                                         uint32_t row_address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(row_address)
               : "memory");
}

// d[16][8] += a[16][16] * b[16][8], fragments as in mma.m16n8k16.
template <typename Element>
__device__ __forceinline__ void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1) {
  if constexpr (std::is_same_v<Element, __half>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    static_assert(std::is_same_v<Element, __nv_bfloat16>);
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

// relu of two numbers, rounded, the first in the lower half; a NaN stays one.
template <typename Element>
__device__ __forceinline__ uint32_t pack_relu(float low, float high) {
  uint32_t pair;
  if constexpr (std::is_same_v<Element, __half>) {
    asm("cvt.rn.relu.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  } else {
    static_assert(std::is_same_v<Element, __nv_bfloat16>);
    asm("cvt.rn.relu.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  }
  return pair;
}

// Starts a copy of 16 bytes from global to shared memory; zeros if not `inside`, and then `from` is
// not read.
__device__ __forceinline__ void copy_async(uint32_t to, const void* from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(to), "l"(from), "r"(inside ? 16 : 0)
               : "memory");
}

__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most the last `kGroups` groups of this thread are under way.
template <int kGroups>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

}  // namespace simgan::cuda::ptx

#endif
