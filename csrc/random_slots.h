// Distinct random slots, calculated one by one: a keyed permutation of [0, size), the swap-or-not
// shuffle. kernels/history_exchange/reference.py defines it and names the sources.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define SIMGAN_EVERYWHERE __host__ __device__
#else
#define SIMGAN_EVERYWHERE
#endif

namespace simgan {

enum Draw : int { kSampled = 0, kReplaced = 1 };

constexpr int kRounds = 24;
constexpr int kKeys = kRounds * 3 * 2;  // [round][centre, factor, offset][draw]

// A bijection of 32-bit words in which every bit depends on every bit.
SIMGAN_EVERYWHERE inline uint32_t mixed(uint32_t x) {
  x ^= x >> 15;
  x *= 0x2c1b3c6du;
  x ^= x >> 12;
  x *= 0x297a2d39u;
  return x ^ (x >> 15);
}

SIMGAN_EVERYWHERE inline uint32_t draw_key(uint64_t seed, uint32_t number, uint32_t size, int i) {
  uint32_t key = mixed((static_cast<uint32_t>(i) + 1u) * 0x9e3779b9u + static_cast<uint32_t>(seed));
  key = mixed(key + static_cast<uint32_t>(seed >> 32));
  key = mixed(key + number);
  const bool centre = i / 2 % 3 == 0;
  return centre ? static_cast<uint32_t>(static_cast<uint64_t>(key) * size >> 32) : key;
}

// One round; it is its own inverse.
SIMGAN_EVERYWHERE inline uint32_t swapped_or_not(uint32_t x, const uint32_t* keys, int round,
                                                 Draw draw, uint32_t size) {
  const uint32_t* key = keys + round * 6 + draw;
  const uint32_t partner = key[0] >= x ? key[0] - x : key[0] + size - x;
  const uint32_t pair = x > partner ? x : partner;
  return (key[2] * pair + key[4]) >> 31 ? partner : x;
}

// The slot of image i of a draw.
SIMGAN_EVERYWHERE inline uint32_t slot_of(uint32_t i, const uint32_t* keys, Draw draw,
                                          uint32_t size) {
  for (int round = 0; round < kRounds; ++round) i = swapped_or_not(i, keys, round, draw, size);
  return i;
}

// The image of a draw that is in `slot`, had it `size` images.
SIMGAN_EVERYWHERE inline uint32_t image_in(uint32_t slot, const uint32_t* keys, Draw draw,
                                           uint32_t size) {
  for (int round = kRounds; round-- > 0;) slot = swapped_or_not(slot, keys, round, draw, size);
  return slot;
}

}  // namespace simgan
