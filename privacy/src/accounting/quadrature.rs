//! Nodes of Gauss-Legendre quadrature on [-1, 1], positive halves: `(node, weight)`.

/// Four points: exact for polynomials of degree 7.
pub(super) const FOUR: [(f64, f64); 2] = [
    (0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_8),
];

/// Eight points: exact for polynomials of degree 15.
pub(super) const EIGHT: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_3),
];

/// The integral of `f` from `a` to `b`.
pub(super) fn integrate(nodes: &[(f64, f64)], a: f64, b: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let (middle, half) = (a + (b - a) / 2.0, (b - a) / 2.0);
    let pair = |(x, w): &(f64, f64)| w * (f(middle - half * x) + f(middle + half * x));
    half * nodes.iter().map(pair).sum::<f64>()
}
