// Stands in for CUDA's header of this name: IEEE half precision by its bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

struct __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

// Rounds to nearest even, as the current rounding mode of `nearbyint` does.
inline __half __float2half_rn(float value) {
  const auto sign = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16 & 0x8000);
  const float size = std::fabs(value);
  if (value != value) return {0x7fff};
  if (size >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  if (size < 0x1p-14f) {
    return {static_cast<uint16_t>(sign | static_cast<int>(std::nearbyint(size * 0x1p24f)))};
  }
  const uint32_t bits = std::bit_cast<uint32_t>(size);
  const uint32_t rounded = bits + 0xfff + (bits >> 13 & 1) - (112u << 23);
  return {static_cast<uint16_t>(sign | rounded >> 13)};
}

inline float __half2float(__half value) {
  const int exponent = value.bits >> 10 & 0x1f, fraction = value.bits & 0x3ff;
  float size = static_cast<float>(fraction) * 0x1p-24f;
  if (exponent == 0x1f) {
    size = std::bit_cast<float>(0x7f800000u | static_cast<uint32_t>(fraction) << 13);
  } else if (exponent != 0) {
    size = std::bit_cast<float>(static_cast<uint32_t>(exponent + 112) << 23 |
                                static_cast<uint32_t>(fraction) << 13);
  }
  return value.bits & 0x8000 ? -size : size;
}

inline __half2 __floats2half2_rn(float low, float high) {
  return {__float2half_rn(low), __float2half_rn(high)};
}
