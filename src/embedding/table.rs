//! The table of an n-gram model: one vector for each n-gram, as the file holds it. Eight bits a value are a quarter of what the
//! numbers take once they are read, so a row is read whenever it is asked for. Every value is what half precision makes of it,
//! whatever the file's own type: vectors do not depend on it.

use half::f16;
use pulp::{Arch, Simd, WithSimd};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// Name of the table in `model.safetensors`.
const TABLE: &str = "embeddings";
/// Name of the scales of a table of whole numbers.
const SCALES: &str = "embeddings.scale";

/// A matrix of one row for each n-gram.
pub(super) struct Table {
    width: usize,
    rows: usize,
    /// The whole file; the values begin at `start`.
    file: Vec<u8>,
    start: usize,
    kind: Kind,
}

/// What the file's values are.
enum Kind {
    Float,
    Half,
    /// Whole numbers from -127 to 127, with what 1 stands for in each row.
    Int8(Vec<f32>),
}

impl Table {
    /// Reads the table out of `file`, the content of a `model.safetensors`: F32, F16, or I8 with one scale a row.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(file: Vec<u8>, width: usize) -> Result<Self, String> {
        let damaged = |error| format!("model.safetensors is damaged or cut off: {error}");
        let tensors = SafeTensors::deserialize(&file).map_err(damaged)?;
        let view = tensors.tensor(TABLE).map_err(|error| format!("model.safetensors: {error}"))?;
        let &[rows, columns] = view.shape() else {
            return Err("model.safetensors: `embeddings` is not a matrix".into());
        };
        if columns != width {
            return Err(format!("model.safetensors: `embeddings` has {columns} columns, config.json says hidden_size {width}"));
        }
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::I8 => {
                let scales = tensors
                    .tensor(SCALES)
                    .map_err(|_| "model.safetensors: int8 `embeddings` need `embeddings.scale`".to_owned())?;
                let scales = floats(&scales)?;
                if scales.len() != rows {
                    return Err(format!("model.safetensors: {} scales for {rows} rows", scales.len()));
                }
                Kind::Int8(scales)
            }
            other => {
                return Err(format!("model.safetensors: `embeddings` of type {other:?} are not supported; use F32, F16 or I8"));
            }
        };
        let start = view.data().as_ptr() as usize - file.as_ptr() as usize;
        Ok(Table { width, rows, start, kind, file })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds up `rows`, one after the other, into `out`, which has the table's width.
    pub fn sum(&self, rows: &[u32], out: &mut [f32]) {
        Arch::new().dispatch(Sum { table: self, rows, out });
    }

    /// For each of `stretches` adds the first values of its row times its share to the place in `sums` where the stretch begins,
    /// and takes them away behind its end; then adds each place to the next. What comes out is the sum of the rows at each
    /// place but for the one behind the last. `width` values make a place.
    pub fn spread(&self, stretches: &[Stretch], width: usize, sums: &mut [f32]) {
        Arch::new().dispatch(Spread { table: self, stretches, width: width.min(self.width), sums });
    }

    /// The first values of a row, as many as `out` has.
    #[inline(always)]
    fn row(&self, row: u32, out: &mut [f32]) {
        let first = row as usize * self.width;
        match &self.kind {
            Kind::Int8(scales) => {
                let scale = scales[row as usize];
                let bytes = &self.file[self.start + first..][..out.len()];
                out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = to_half(f32::from(byte.cast_signed()) * scale));
            }
            Kind::Half => {
                let bytes = self.file[self.start + 2 * first..].chunks_exact(2);
                out.iter_mut().zip(bytes).for_each(|(out, b)| *out = f16::from_le_bytes([b[0], b[1]]).to_f32());
            }
            Kind::Float => {
                let bytes = self.file[self.start + 4 * first..].chunks_exact(4);
                out.iter_mut().zip(bytes).for_each(|(out, b)| *out = to_half(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
        }
    }
}

/// A row that speaks for the places from `from` to the one before `until`.
pub(super) struct Stretch {
    pub row: u32,
    pub from: usize,
    pub until: usize,
    /// What each place gets of it.
    pub share: f32,
}

struct Sum<'a> {
    table: &'a Table,
    rows: &'a [u32],
    out: &'a mut [f32],
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let mut values = vec![0.0_f32; self.table.width];
        for &row in self.rows {
            self.table.row(row, &mut values);
            self.out.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
        }
    }
}

struct Spread<'a> {
    table: &'a Table,
    stretches: &'a [Stretch],
    width: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Spread { table, stretches, width, sums } = self;
        let mut values = vec![0.0_f32; width];
        for Stretch { row, from, until, share } in stretches {
            table.row(*row, &mut values);
            values.iter_mut().for_each(|value| *value *= share);
            sums[from * width..][..width].iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
            sums[until * width..][..width].iter_mut().zip(&values).for_each(|(sum, value)| *sum -= value);
        }
        for place in 1..sums.len() / width {
            let (before, after) = sums.split_at_mut(place * width);
            let before = &before[(place - 1) * width..];
            after[..width].iter_mut().zip(before).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// What half precision makes of `value`: the nearest number that it has, of two equally near ones the even one.
#[inline(always)]
fn to_half(value: f32) -> f32 {
    /// The least number of full precision.
    const NORMAL: u32 = 0x3880_0000;
    /// The number from which on it is infinite.
    const INFINITE: u32 = 0x4780_0000;
    let bits = value.to_bits();
    let size = bits & 0x7FFF_FFFF;
    let even = (size.wrapping_add(0xFFF + ((size >> 13) & 1))) & !0x1FFF;
    // Adding a half leaves steps as wide as those of the numbers below.
    let small = ((f32::from_bits(size) + 0.5) - 0.5).to_bits();
    let rounded = if size < NORMAL { small } else { even };
    let rounded = if rounded >= INFINITE { f32::INFINITY.to_bits() } else { rounded };
    let rounded = if size > f32::INFINITY.to_bits() { size } else { rounded };
    f32::from_bits(rounded | (bits & 0x8000_0000))
}

fn floats(view: &TensorView) -> Result<Vec<f32>, String> {
    match view.dtype() {
        Dtype::F32 => Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Ok(view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        other => Err(format!("model.safetensors: type {other:?} where numbers were expected")),
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::to_half;

    #[test]
    fn rounding_is_that_of_half_precision() {
        // Every exponent and sign, with fractions around and between the numbers of half precision.
        let fractions =
            [0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2000, 0x3000, 0x2F_5ABC, 0x7F_E000, 0x7F_EFFF, 0x7F_F000, 0x7F_FFFF];
        for top in 0..0x200_u32 {
            for fraction in fractions.into_iter().chain((0..0x80).map(|step| step * 0x1_0203)) {
                let value = f32::from_bits(top << 23 | fraction & 0x7F_FFFF);
                let expected = f16::from_f32(value).to_f32();
                let same = expected.to_bits() == to_half(value).to_bits() || expected.is_nan() && to_half(value).is_nan();
                assert!(same, "{value:e} is {:e}, half precision has {expected:e}", to_half(value));
            }
        }
    }
}
