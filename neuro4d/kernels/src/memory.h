// Huge pages for arrays that are read at random places.
#pragma once

#include <cstddef>

namespace neuro4d {

// Asks the system to back [data, data + bytes) by huge pages; with `collapse` those already in use are moved together.
// Returns whether the system accepted. Where the request does not exist nothing happens.
bool advise_huge(void* data, std::size_t bytes, bool collapse);

}  // namespace neuro4d
