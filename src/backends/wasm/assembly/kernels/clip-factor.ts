/** The factor that clips gradients. */

/**
 * Writes to `out` the factor that limits gradients to the norm `clip`; NaN unless the loss and the
 * norm are finite. `numbers` has the loss and the norms of `layers` layers. Their norm is computed
 * in float64 with the steps of `Math.hypot` in V8 (scaled, with Kahan's summation), so that results
 * don't depend on the engine and equal those of `cpu` in Node.
 */
export function clipFactor(numbers: usize, layers: i32, clip: f64, out: usize): void {
  let largest: f64 = 0, isKnown = isFinite(load<f32>(numbers));
  for (let i = 1; i <= layers; i++) {
    const norm = Math.abs(<f64>load<f32>(numbers + (<usize>i << 2)));
    if (!isFinite(norm)) isKnown = false;
    else if (norm > largest) largest = norm;
  }
  let total: f64 = 0, lost: f64 = 0;
  for (let i = 1; i <= layers && largest > 0; i++) {
    const norm = Math.abs(<f64>load<f32>(numbers + (<usize>i << 2))) / largest;
    const addend = norm * norm - lost;
    const next = total + addend;
    lost = next - total - addend;
    total = next;
  }
  const norm = Math.sqrt(total) * largest;
  store<f32>(out, isKnown && isFinite(norm) ? <f32>Math.min(1, clip / (norm + 1e-6)) : f32.NaN);
}
