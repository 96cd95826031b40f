// The hidden layers of a network, with ReLU after each: forward, and back from a gradient of the last.
#pragma once

#include <vector>

#include "input.h"
#include "layer.h"

namespace recall {

// Inputs or units, whichever are more.
inline int64_t widest(int64_t n_inputs, const std::vector<int64_t>& hidden) {
  return std::max(n_inputs, *std::max_element(hidden.begin(), hidden.end()));
}

// Memory that all networks use in turn.
template <typename T>
struct Scratch {
  Scratch(int64_t batch, int64_t widest)
      : rows(padded(batch)),
        products(std::max(BLOCK, rows) * padded(widest)),
        wide(rows * padded(widest)),
        words(rows * padded(widest)),
        gradient_words(rows * padded(widest)),
        columns(rows * padded(widest)) {}
  int64_t rows;
  Buffer<float> products, wide;
  Buffer<T> words, gradient_words, columns;
};

// Writes (rows, width) gradients upstream(row, j) and adds them to `sums` over rows.
template <typename T, typename Upstream>
void write_gradient(int64_t rows, int64_t width, T* gradient, float* sums, const Upstream& upstream) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t j = 0; j < width; j += LANES) {
      const Vector g = upstream(row, j);
      store(gradient + row * width + j, g);
      store(sums + j, load(sums + j) + g);
    }
  }
}

template <typename T>
class Hidden {
 public:
  Hidden(int64_t batch, int64_t n_inputs, const std::vector<int64_t>& widths, Scratch<T>& scratch)
      : scratch_(scratch), rows_(padded(batch)), entry_(n_inputs, widths.front()) {
    for (const int64_t width : widths) {
      layers_.emplace_back(layers_.empty() ? n_inputs : layers_.back().out, width);
      units_.emplace_back(rows_ * layers_.back().out_stride);
      gradients_.emplace_back(rows_ * layers_.back().out_stride);
      sums_.emplace_back(layers_.back().out_stride);
    }
  }

  size_t n_layers() const { return layers_.size(); }
  int64_t width() const { return layers_.back().out_stride; }
  const T* units() const { return units_.back(); }

  void pack(const std::vector<Affine>& parameters) {
    entry_.pack(parameters.front());
    for (size_t i = 1; i < layers_.size(); ++i) {
      layers_[i].pack(parameters[i]);
    }
  }

  // Fills `units` of the inputs; a block of rows passes through all layers before the next.
  void forward(const Input<T>& x) {
    for (int64_t row = 0; row < rows_; row += BLOCK) {
      const int64_t rows = std::min(BLOCK, rows_ - row);
      times(rows, x.rows() + row * x.stride, x.stride, entry_);
      rectify(rows, entry_.bias(), units_[0] + row * entry_.out_stride, entry_.out_stride);
      for (size_t i = 1; i < layers_.size(); ++i) {
        const Layer<T>& layer = layers_[i];
        times(rows, units_[i - 1] + row * layer.in_stride, layer.in_stride, layer);
        rectify(rows, layer.bias(), units_[i] + row * layer.out_stride, layer.out_stride);
      }
    }
  }

  // Back from the gradient upstream(row, j) of the last units, to that of all layers before ReLU.
  template <typename Upstream>
  void backward(const Upstream& upstream) {
    backward(rows_, [](int64_t row) { return row; }, upstream);
  }

  // The same from n rows alone, whose units lie in row from(row); their gradients come to lie one after the other.
  template <typename From, typename Upstream>
  void backward(int64_t n, const From& from, const Upstream& upstream) {
    masked(layers_.size() - 1, 0, n, from, upstream);
    for (size_t i = layers_.size() - 1; i > 0; --i) {
      Layer<T>& layer = layers_[i];
      layer.pack_transposed();
      for (int64_t row = 0; row < n; row += BLOCK) {
        const int64_t rows = std::min(BLOCK, n - row);
        float* c = scratch_.products;
        product<T>({padded(rows), layer.out, layer.in_stride}, gradients_[i] + row * layer.out_stride,
                   layer.out_stride, layer.transposed(), layer.in_stride, c, layer.in_stride);
        masked(i - 1, row, rows, from, [&](int64_t r, int64_t j) { return load(c + r * layer.in_stride + j); });
      }
    }
  }

  // After it: the gradient of the inputs from `first` on, (n, stride); `entry` is the first layer.
  void input_gradient(int64_t n, const Affine& entry, int64_t first, float* c, int64_t stride) {
    Layer<T>& layer = layers_.front();
    layer.pack_transposed(entry, first);
    product<T>({padded(n), layer.out, layer.in - first}, gradients_.front(), layer.out_stride, layer.transposed(),
               layer.in_stride, c, stride);
  }

  // After `backward`: calls take(layer, part, at, n, gradient) for all layers; `inputs` are transposed.
  template <typename Take>
  void gradients(const T* inputs, const Take& take) {
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Layer<T>& layer = layers_[i];
      const T* words = interleave(gradients_[i], rows_, layer.out_stride, scratch_.gradient_words);
      const T* columns = i ? transposed_units(i - 1) : inputs;
      layer.gradient(columns, words, rows_, sums_[i], scratch_.products,
                     [&](auto... where) { take(i, where...); });
    }
  }

  // The last units, a row for each unit.
  const T* transposed_units() { return transposed_units(layers_.size() - 1); }

 private:
  // A layer's products with rows x.
  template <typename U>
  void times(int64_t rows, const U* x, int64_t stride, const Layer<U>& layer) const {
    product<U>({rows, layer.in, layer.out_stride}, x, stride, layer.words(), layer.out_stride, scratch_.products,
               layer.out_stride);
  }

  // Units of these products.
  void rectify(int64_t rows, const float* bias, T* units, int64_t width) const {
    const float* c = scratch_.products;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = 0; j < width; j += LANES) {
        store(units + row * width + j, at::vec::clamp_min(load(c + row * width + j) + load(bias + j), Vector(0.f)));
      }
    }
  }

  // Writes the gradient of layer `i` before ReLU, upstream(row from `first` on, j); the first rows begin its sums.
  template <typename From, typename Upstream>
  void masked(size_t i, int64_t first, int64_t rows, const From& from, const Upstream& upstream) {
    const int64_t width = layers_[i].out_stride;
    const T* units = units_[i];
    if (first == 0) {
      std::memset(sums_[i], 0, width * sizeof(float));
    }
    write_gradient(rows, width, gradients_[i] + first * width, static_cast<float*>(sums_[i]),
                   [&](int64_t row, int64_t j) {
                     return (load(units + from(first + row) * width + j) > Vector(0.f)) & upstream(row, j);
                   });
  }

  const T* transposed_units(size_t i) {
    const int64_t width = layers_[i].out_stride;
    const T* words = interleave(units_[i], rows_, width, scratch_.words);
    transpose<T>(words, width, rows_ / WORD<T>, width, scratch_.columns, rows_ / WORD<T>);
    return scratch_.columns;
  }

  Scratch<T>& scratch_;
  int64_t rows_;
  Layer<First<T>> entry_;         // the first one forward
  std::vector<Layer<T>> layers_;  // all back, the others forward
  std::vector<Buffer<T>> units_, gradients_;
  std::vector<Buffer<float>> sums_;
};

}  // namespace recall
