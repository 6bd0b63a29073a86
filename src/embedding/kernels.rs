//! Arithmetic over rows of values: products with matrices packed ahead, activations, softmax, layer norm, each in the widest
//! vector instructions that the processor has (pulp chooses them when the program runs). A value is always summed up in one
//! order, whatever rows stand beside it: a text's vector has the same bits however texts are batched. Knows no models.

use pulp::{Arch, Simd, WithSimd};

/// Columns of a panel: three vectors of AVX-512, six of AVX2, twelve of NEON.
const PANEL: usize = 48;
/// Sums kept side by side, so that they become vector instructions.
const LANES: usize = 16;

/// A matrix of `[depth, columns]`, stored in the order in which a product reads it: one panel of columns after the other.
#[derive(Default)]
pub struct Panels {
    depth: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Panels {
    /// Packs the matrix whose value in a row and a column `at` gives, in place of what was held before.
    pub fn pack(&mut self, depth: usize, columns: usize, at: impl Fn(usize, usize) -> f32) {
        (self.depth, self.columns) = (depth, columns);
        self.values.clear();
        self.values.resize(columns.div_ceil(PANEL) * depth * PANEL, 0.0);
        for (number, panel) in self.values.chunks_exact_mut((depth * PANEL).max(1)).enumerate() {
            let first = number * PANEL;
            let count = PANEL.min(columns - first);
            for (row, line) in panel.chunks_exact_mut(PANEL).enumerate() {
                for (column, value) in line[..count].iter_mut().enumerate() {
                    *value = at(row, first + column);
                }
            }
        }
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Rows of equal length inside a slice: row `n` begins at `n * stride`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub count: usize,
}

/// `out = x · matrix + bias`; the rows of `out` begin `out_stride` apart, an empty bias is none.
pub fn product(x: Rows, matrix: &Panels, bias: &[f32], out: &mut [f32], out_stride: usize) {
    Arch::new().dispatch(Product { x, matrix, bias, out, out_stride });
}

struct Product<'a> {
    x: Rows<'a>,
    matrix: &'a Panels,
    bias: &'a [f32],
    out: &'a mut [f32],
    out_stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Blocks of as many sums as there are registers, less those for a line of the panel and one value of `x`.
        match S::F32_LANES {
            16 => self.run::<S, { PANEL / 16 }, 8>(simd),
            8 => self.run::<S, { PANEL / 8 }, 2>(simd),
            4 => self.run::<S, { PANEL / 4 }, 2>(simd),
            _ => self.run::<S, PANEL, 1>(simd),
        }
    }
}

impl Product<'_> {
    /// `VECTORS` make up a panel's line; a block has at most `ROWS` rows.
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(self, simd: S) {
        let Product { x, matrix, bias, out, out_stride } = self;
        for (number, panel) in matrix.values.chunks_exact((matrix.depth * PANEL).max(1)).enumerate() {
            let (lines, _) = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>();
            let first = number * PANEL;
            let count = PANEL.min(matrix.columns - first);
            let mut initial = [0.0; PANEL];
            if !bias.is_empty() {
                initial[..count].copy_from_slice(&bias[first..first + count]);
            }
            let panel = Panel { lines, initial, count };
            // Blocks of even height: ten rows are five and five, not eight and two.
            let blocks = x.count.div_ceil(ROWS);
            let mut row = 0;
            for block in 0..blocks {
                let height = (x.count - row).div_ceil(blocks - block);
                let (values, out) = (&x.values[row * x.stride..], &mut out[row * out_stride + first..]);
                macro_rules! of_height {
                    ($($rows:literal)*) => {
                        match height {
                            $($rows if $rows <= ROWS => panel.times::<S, $rows>(simd, values, x.stride, out, out_stride),)*
                            _ => {}
                        }
                    };
                }
                of_height!(1 2 3 4 5 6 7 8);
                row += height;
            }
        }
    }
}

/// A panel as a product sees it.
struct Panel<'a, F, const VECTORS: usize> {
    lines: &'a [[F; VECTORS]],
    initial: [f32; PANEL],
    /// Columns that the matrix has here; the rest is padding.
    count: usize,
}

impl<F: Copy, const VECTORS: usize> Panel<'_, F, VECTORS> {
    /// A block of `ROWS` rows times the panel. The sums stay in registers until all of the depth is added.
    #[inline(always)]
    fn times<S: Simd<f32s = F>, const ROWS: usize>(&self, simd: S, x: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
        let depth = self.lines.len();
        let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &x[row * stride..][..depth]);
        let (initial, _) = S::as_simd_f32s(&self.initial);
        let mut sums: [[F; VECTORS]; ROWS] = [std::array::from_fn(|at| initial[at]); ROWS];
        for (step, line) in self.lines.iter().enumerate() {
            for row in 0..ROWS {
                let value = simd.splat_f32s(rows[row][step]);
                for at in 0..VECTORS {
                    sums[row][at] = simd.mul_add_e_f32s(value, line[at], sums[row][at]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let out = &mut out[row * out_stride..];
            if self.count == PANEL {
                S::as_mut_simd_f32s(&mut out[..PANEL]).0.copy_from_slice(sums);
            } else {
                let mut line = [0.0; PANEL];
                S::as_mut_simd_f32s(&mut line).0.copy_from_slice(sums);
                out[..self.count].copy_from_slice(&line[..self.count]);
            }
        }
    }
}

/// Replaces each value by what `map` makes of it, in vector instructions if `map` has neither calls nor branches.
pub fn map(values: &mut [f32], map: impl Fn(f32) -> f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = map(*value)),
    );
}

/// GELU by a rational approximation of the error function, exact to 1e-6; the library's function would be called for each
/// value and take a fifth of a small model's time.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    const ABOVE: [f32; 7] =
        [-2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    let z = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-4.0, 4.0);
    0.5 * x * (1.0 + z * polynomial(z * z, &ABOVE) / polynomial(z * z, &BELOW))
}

#[inline(always)]
fn polynomial<const N: usize>(x: f32, parts: &[f32; N]) -> f32 {
    parts.iter().fold(0.0, |sum, part| sum * x + part)
}

/// e to the power of `x`, for `x` of at most 0, exact to 1e-6 of the result: a power of two times a polynomial (Cephes).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const PARTS: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    /// Adding it leaves the nearest whole number in the lowest bits.
    const ROUNDS: f32 = 12_582_912.0;
    // Not `max`, which would hide what is not a number.
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDS;
    let whole = shifted - ROUNDS;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    (polynomial(rest, &PARTS) * rest * rest + rest + 1.0) * power
}

/// Makes each row of `width` values shares of 1: the softmax.
pub fn softmax(values: &mut [f32], width: usize) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(width) {
                let highest = reduce(row, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
                row.iter_mut().for_each(|value| *value = exp(*value - highest));
                let scale = 1.0 / reduce(row, 0.0, |a, b| a + b);
                row.iter_mut().for_each(|value| *value *= scale);
            }
        },
    );
}

/// Adds `added` to `values` and brings each row, as long as `weight`, to mean 0 and variance 1, times `weight`, plus `bias`.
/// An empty `added` is none.
pub fn add_and_norm(values: &mut [f32], added: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let width = weight.len();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            values.iter_mut().zip(added).for_each(|(value, added)| *value += added);
            for row in values.chunks_exact_mut(width) {
                let mean = reduce(row, 0.0, |a, b| a + b) / width as f32;
                row.iter_mut().for_each(|value| *value -= mean);
                let (chunks, rest) = row.as_chunks::<LANES>();
                let mut squares = [0.0f32; LANES];
                for chunk in chunks {
                    squares.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value * value);
                }
                squares.iter_mut().zip(rest).for_each(|(sum, value)| *sum += value * value);
                let scale = 1.0 / (squares.iter().sum::<f32>() / width as f32 + epsilon).sqrt();
                for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                    *value = *value * scale * weight + bias;
                }
            }
        },
    );
}

/// All values taken together by `join`, in [`LANES`] lanes first.
#[inline(always)]
fn reduce(values: &[f32], start: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane = join(*lane, *value));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane = join(*lane, *value));
    lanes.into_iter().fold(start, &join)
}
