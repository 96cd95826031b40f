// Memory of an update, taken once: zeros at first, aligned to cache lines.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "vector.h"

namespace recall {

template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t n) : numbers_(nullptr, &std::free) {
    const size_t bytes = padded(std::max<int64_t>(n, 1)) * sizeof(T);
    numbers_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (!numbers_) {
      throw std::bad_alloc();
    }
    std::memset(static_cast<void*>(numbers_.get()), 0, bytes);
  }
  operator T*() { return numbers_.get(); }
  operator const T*() const { return numbers_.get(); }

 private:
  std::unique_ptr<T, decltype(&std::free)> numbers_;
};

}  // namespace recall
