// The instructions of csrc/cuda/wgmma.cuh on the emulator, warp by warp (a warp computes its own 16
// of the 64 rows).
//
// A product is calculated when it is waited for, so that it sees what became of its operand in
// shared memory; until then its sums are NaN. A fragment that changes meanwhile fails.
#pragma once

#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "emulated_hopper.h"
#include "emulated_ptx.h"

namespace emulation {

constexpr int kRows = 16;  // of a warp
constexpr int kDepth = 16;

struct Product {
  int sums_per_lane;
  float* sums[kLanes];
  const uint32_t* fragments[kLanes];
  uint32_t values[kLanes][4];  // of the fragments, at the start
  uint64_t b;
  bool transposed;
};

struct WarpProducts {
  bool fenced = false;
  std::vector<Product> open;
  std::deque<std::vector<Product>> groups;
  std::map<float*, std::vector<float>> sums;  // by lane 0's: the true ones of products under way
};

inline WarpProducts warp_products[SharedMemory::kWarps];

inline void start_products() {
  for (WarpProducts& warp : warp_products) warp = {};
}

inline const char* end_products() {
  for (const WarpProducts& warp : warp_products) {
    if (!warp.sums.empty()) return "a warp ends before its wgmma";
  }
  return nullptr;
}

[[maybe_unused]] inline const bool products_are_here = [] {
  machine.at_start.push_back(start_products);
  machine.at_end.push_back(end_products);
  return true;
}();

// Operand B [16][columns] from shared memory, by its descriptor (PTX ISA 9.7.15.5.1): core matrices
// of 8 rows of 16 bytes; LBO leads to the next along K, SBO to the next along the columns.
inline void read_operand(const Product& product, float (&b)[kDepth][256]) {
  const uint32_t start = static_cast<uint32_t>(product.b & 0x3fff) << 4;
  const uint32_t by_k = static_cast<uint32_t>(product.b >> 16 & 0x3fff) << 4;
  const uint32_t by_column = static_cast<uint32_t>(product.b >> 32 & 0x3fff) << 4;
  if (product.b >> 46 != 0) fail("a wgmma descriptor asks for a swizzle or a base offset");
  const int columns = product.sums_per_lane * 2;
  for (int k8 = 0; k8 < 2; ++k8) {
    for (int column8 = 0; column8 < columns / 8; ++column8) {
      for (int row = 0; row < 8; ++row) {
        uint16_t values[8];
        read_async(values, start + k8 * by_k + column8 * by_column + 16 * row, 16, "wgmma");
        for (int i = 0; i < 8; ++i) {
          const float value = __bfloat162float({values[i]});
          if (product.transposed) {
            b[8 * k8 + row][8 * column8 + i] = value;
          } else {
            b[8 * k8 + i][8 * column8 + row] = value;
          }
        }
      }
    }
  }
}

// One accumulator is rounded after every product, as in the emulated mma.sync.
inline void calculate(const Product& product, std::vector<float>& sums) {
  static float b[kDepth][256], a[kRows][kDepth];
  read_operand(product, b);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int r = 0; r < 4; ++r) {
      const uint32_t word = product.values[lane][r];
      if (product.fragments[lane][r] != word) {
        fail("lane %d changes a fragment before its wgmma is waited for", lane);
      }
      for (int i = 0; i < 2; ++i) {
        a[lane / 4 + 8 * (r % 2)][lane % 4 * 2 + 8 * (r / 2) + i] =
            __bfloat162float({static_cast<uint16_t>(word >> 16 * i)});
      }
    }
  }
  const int per_lane = product.sums_per_lane, columns = 2 * per_lane;
  for (int row = 0; row < kRows; ++row) {
    float line[256];
    const auto place = [&](int n) -> float& {
      const int lane = row % 8 * 4 + n % 8 / 2;
      return sums[lane * per_lane + n / 8 * 4 + row / 8 * 2 + n % 2];
    };
    for (int n = 0; n < columns; ++n) line[n] = place(n);
    for (int k = 0; k < kDepth; ++k) {
      for (int n = 0; n < columns; ++n) line[n] += a[row][k] * b[k][n];
    }
    for (int n = 0; n < columns; ++n) place(n) = line[n];
  }
}

inline void start_product(const Product& product) {
  WarpProducts& warp = warp_products[current().warp()];
  if (!warp.fenced) fail("warp %d: wgmma without a wgmma.fence", current().warp());
  static float b[kDepth][256];
  read_operand(product, b);  // whatever is there must be there by now
  std::vector<float>& kept = warp.sums[product.sums[0]];
  if (kept.empty()) {
    for (float* sums : product.sums) {
      kept.insert(kept.end(), sums, sums + product.sums_per_lane);
      std::fill(sums, sums + product.sums_per_lane, NAN);
    }
  }
  warp.open.push_back(product);
}

inline void end_products_until(size_t groups) {
  WarpProducts& warp = warp_products[current().warp()];
  std::map<float*, const Product*> ended;
  for (; warp.groups.size() > groups; warp.groups.pop_front()) {
    for (const Product& product : warp.groups.front())
      calculate(product, warp.sums[product.sums[0]]);
    for (const Product& product : warp.groups.front()) {
      bool last = true;
      for (size_t g = 1; g < warp.groups.size(); ++g) {
        for (const Product& other : warp.groups[g]) last &= other.sums[0] != product.sums[0];
      }
      for (const Product& other : warp.open) last &= other.sums[0] != product.sums[0];
      const auto kept = warp.sums.find(product.sums[0]);
      if (!last || kept == warp.sums.end()) continue;
      for (int lane = 0; lane < kLanes; ++lane) {
        std::copy_n(&kept->second[lane * product.sums_per_lane], product.sums_per_lane,
                    product.sums[lane]);
      }
      warp.sums.erase(kept);
    }
  }
  if (warp.sums.empty()) warp.fenced = false;
}

template <int kSums>
void start_product_together(const char* name, float (&d)[kSums], const uint32_t (&a)[4], uint64_t b,
                            bool transposed) {
  struct Operands {
    float* d;
    const uint32_t* a;
    uint64_t b;
    bool transposed;
  } mine{d, a, b, transposed};
  together(name, mine, [](Operands* const* lanes) {
    Product product{kSums, {}, {}, {}, lanes[0]->b, lanes[0]->transposed};
    for (int lane = 0; lane < kLanes; ++lane) {
      if (lanes[lane]->b != product.b) fail("the lanes of a wgmma differ in its descriptor");
      product.sums[lane] = lanes[lane]->d;
      product.fragments[lane] = lanes[lane]->a;
      std::copy_n(lanes[lane]->a, 4, product.values[lane]);
    }
    start_product(product);
  });
}

}  // namespace emulation

namespace simgan::cuda::ptx {

inline uint64_t matrix_descriptor(uint32_t address, uint32_t by_k, uint32_t by_column) {
  return (address & 0x3ffff) >> 4 | static_cast<uint64_t>(by_k >> 4) << 16 |
         static_cast<uint64_t>(by_column >> 4) << 32;
}

inline uint64_t move_descriptor(uint64_t descriptor, int units) {
  const auto low = static_cast<uint32_t>(descriptor) + static_cast<uint32_t>(units);
  return (descriptor & ~uint64_t{0xffffffff}) | low;
}

template <int kSums>
void pin(float (&)[kSums]) {}

inline void fence_products() {
  int nothing = 0;
  emulation::together("wgmma.fence", nothing, [](int* const*) {
    emulation::warp_products[emulation::current().warp()].fenced = true;
  });
}

inline void commit_products() {
  int nothing = 0;
  emulation::together("wgmma.commit_group", nothing, [](int* const*) {
    emulation::WarpProducts& warp = emulation::warp_products[emulation::current().warp()];
    warp.groups.push_back(std::move(warp.open));
    warp.open.clear();
  });
}

template <int kGroups>
void wait_products() {
  int nothing = 0;
  emulation::together("wgmma.wait_group", nothing,
                      [](int* const*) { emulation::end_products_until(kGroups); });
}

inline void multiply_add_async(float (&d)[56], const uint32_t (&a)[4], uint64_t b) {
  emulation::start_product_together("wgmma.m64n112k16", d, a, b, false);
}

inline void multiply_add_transposed_async(float (&d)[32], const uint32_t (&a)[4], uint64_t b) {
  emulation::start_product_together("wgmma.m64n64k16.trans", d, a, b, true);
}

}  // namespace simgan::cuda::ptx
