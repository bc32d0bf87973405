// Replacement of images in the history buffer.
#include <cstring>

#include "../launchers.h"

namespace simgan::cpu {

int history_replace(void* buffer, int64_t capacity, const void* refined, const int64_t* slots,
                    int64_t count, int64_t row_bytes) {
  for (int64_t i = 0; i < count; ++i) {
    if (slots[i] < 0 || slots[i] >= capacity) return kSlotOutOfRange;
  }
  char* rows = static_cast<char*>(buffer);
  const char* source = static_cast<const char*>(refined);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(rows + slots[i] * row_bytes, source + i * row_bytes, row_bytes);
  }
  return kOk;
}

}  // namespace simgan::cpu
