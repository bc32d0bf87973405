// The history's swap: random images out, refined ones in (section 2.3).
#include <cstring>

#include "../launchers.h"
#include "../random_slots.h"

namespace simgan::cpu {

int history_exchange(void* buffer, int64_t capacity, const void* refined, int64_t count,
                     int64_t row_bytes, int64_t* state, void* old) {
  const auto seed = static_cast<uint64_t>(state[0]);
  const auto number = static_cast<uint32_t>(state[1]);
  const auto size = static_cast<uint32_t>(capacity);
  uint32_t keys[kKeys];
  for (int i = 0; i < kKeys; ++i) keys[i] = draw_key(seed, number, size, i);
  char* rows = static_cast<char*>(buffer);
  char* to = static_cast<char*>(old);
  const char* from = static_cast<const char*>(refined);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t slot = slot_of(static_cast<uint32_t>(i), keys, kSampled, size);
    std::memcpy(to + i * row_bytes, rows + slot * row_bytes, row_bytes);
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t slot = slot_of(static_cast<uint32_t>(i), keys, kReplaced, size);
    std::memcpy(rows + slot * row_bytes, from + i * row_bytes, row_bytes);
  }
  state[1] = number + 1u;
  return kOk;
}

}  // namespace simgan::cpu
