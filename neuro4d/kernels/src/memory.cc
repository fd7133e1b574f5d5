#include "memory.h"

#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace neuro4d {

bool advise_huge(void* data, std::size_t bytes, bool collapse) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const std::uintptr_t page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  if (end <= begin) return false;
  void* const first = reinterpret_cast<void*>(begin);
  if (madvise(first, end - begin, MADV_HUGEPAGE) != 0) return false;
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, Linux 6.1; older systems do it later in the background
  if (collapse) (void)madvise(first, end - begin, kCollapse);
  return true;
#else
  (void)data;
  (void)bytes;
  (void)collapse;
  return false;
#endif
}

}  // namespace neuro4d
