// Global memory whose neighbours cannot be touched: buffers between pages without access.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace emulation {

class GuardedMemory {
 public:
  // Aligned to 16 bytes and ending, up to that, at the page that faults.
  void* allocate(size_t bytes) {
    const size_t page = sysconf(_SC_PAGESIZE);
    const size_t wanted = (bytes + 15) / 16 * 16;
    const size_t pages = (wanted + page - 1) / page * page;
    char* start = static_cast<char*>(
        mmap(nullptr, pages + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(start + page, pages, PROT_READ | PROT_WRITE);
    regions_.emplace_back(start, pages + 2 * page);
    return start + page + pages - wanted;
  }

  void release_all() {
    for (const auto& [start, bytes] : regions_) munmap(start, bytes);
    regions_.clear();
  }

 private:
  std::vector<std::pair<char*, size_t>> regions_;
};

inline GuardedMemory guarded_memory;

}  // namespace emulation
