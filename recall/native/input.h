// What enters a network, a row each.
#pragma once

#include "buffer.h"
#include "product.h"

namespace recall {

template <typename T>
class Input {
 public:
  Input(int64_t batch, int64_t width)
      : stride(padded(width)),
        batch_(batch),
        n_rows_(padded(batch)),
        rows_(n_rows_ * stride),
        rounded_(n_rows_ * stride),
        words_(n_rows_ * stride),
        columns_(n_rows_ * stride) {}

  const int64_t stride;

  const First<T>* rows() const {
    if constexpr (std::is_same_v<T, First<T>>) {
      return rounded();
    } else {
      return rows_;
    }
  }

  // Columns from `first` on become the (batch, width) numbers.
  void put(int64_t first, const float* numbers, int64_t width) {
    for (int64_t row = 0; row < batch_; ++row) {
      std::copy_n(numbers + row * width, width, rows_ + row * stride + first);
    }
    const int64_t begin = first / LANES * LANES, end = padded(first + width);
    for (int64_t row = 0; row < batch_; ++row) {
      narrow(rows_ + row * stride + begin, end - begin, rounded_ + row * stride + begin);
    }
  }

  // Their transpose, a row for each column, for gradients: rounded, as the other factor there is.
  const T* transposed() {
    const T* words = interleave(rounded(), n_rows_, stride, words_);
    transpose<T>(words, stride, n_rows_ / WORD<T>, stride, columns_, n_rows_ / WORD<T>);
    return columns_;
  }

 private:
  const T* rounded() const {
    if constexpr (std::is_same_v<T, float>) {
      return rows_;
    } else {
      return rounded_;
    }
  }

  int64_t batch_, n_rows_;
  Buffer<float> rows_;
  Buffer<T> rounded_, words_, columns_;
};

}  // namespace recall
