"""GJR-GARCH of SPX returns: a baseline's forecast of variance, and of what exceeds a threshold.

Fitted by the library `arch` (extra ``baselines``); the filter and the simulation with fixed
parameters are a few lines of numpy, so that a session reads its own past and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.path_terms import share_below

__all__ = ["GjrGarch"]

PATHS = 1000
SEED = 19930501
BLAS_THREADS = 2


@dataclass(frozen=True)
class GjrGarch:
    """Fitted parameters; returns and variances are those of log returns in percent.

    ``v[t+1] = omega + (alpha + gamma * (e[t] < 0)) * e[t]**2 + beta * v[t]``, with
    ``e[t] = return[t] - mean`` (Glosten, Jagannathan and Runkle, Journal of Finance 48, 1993).

    Parameters
    ----------
    mean, omega, alpha, gamma, beta : float
        Coefficients.
    start : float
        Variance before the first return.
    residuals : ndarray
        ``e / sqrt(v)`` of the fit, sorted: the pool of the simulation.
    """

    mean: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    start: float
    residuals: np.ndarray

    @classmethod
    def fit(cls, returns_pct: np.ndarray) -> GjrGarch:
        """Fit by maximum likelihood with Student's t residuals; NaN returns are left out.

        Notes
        -----
        The optimiser's best point is taken as it is: a baseline may be poor, not absent. Where it
        ends depends in the sixth digit on the number of threads of BLAS, so that is fixed.
        """
        from arch import arch_model
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        x = np.asarray(returns_pct, float)
        x = x[~np.isnan(x)]
        model = arch_model(x, mean="Constant", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
        with threadpool_limits(limits=BLAS_THREADS, user_api="blas"):
            p = model.fit(disp="off", show_warning=False).params
        fitted = cls(
            float(p["mu"]),
            float(p["omega"]),
            float(p["alpha[1]"]),
            float(p["gamma[1]"]),
            float(p["beta[1]"]),
            float(x.var()),
            np.empty(0),
        )
        before = np.append(fitted.start, fitted.next_variance(x)[:-1])
        return cls(**{**vars(fitted), "residuals": np.sort((x - fitted.mean) / np.sqrt(before))})

    def next_variance(self, returns_pct: np.ndarray) -> np.ndarray:
        """Variance of the session after each row; a row without a return leaves it as it was."""
        from scipy.signal import lfilter

        x = np.asarray(returns_pct, float)
        known = ~np.isnan(x)
        e = x[known] - self.mean
        news = self.omega + (self.alpha + self.gamma * (e < 0)) * e * e
        if news.size == 0:
            return np.full(x.size, self.start)
        found, _ = lfilter([1.0], [1.0, -self.beta], news, zi=[self.beta * self.start])
        return np.append(self.start, found)[np.cumsum(known)]

    def mean_variance(self, variance: np.ndarray, horizon: int) -> np.ndarray:
        """Give the expected mean squared return of the next `horizon` sessions, pct squared.

        Parameters
        ----------
        variance : ndarray
            `next_variance` of the rows.
        """
        persistence = self.alpha + self.gamma / 2.0 + self.beta
        v, total = np.asarray(variance, float), np.zeros(len(variance))
        for _ in range(horizon):
            total = total + v + self.mean**2
            v = self.omega + persistence * v
        return np.asarray(total / horizon)

    def below(self, variance: np.ndarray, bound_pct: np.ndarray) -> np.ndarray:
        """Probability that the next return is below a bound, from the pool of residuals."""
        share = share_below(self.residuals, (bound_pct - self.mean) / np.sqrt(variance))
        return np.where(np.isnan(bound_pct), np.nan, share)

    def exceedance(
        self, variance: np.ndarray, squares: Mapping[str, tuple[int, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Probability that the sum of squared returns exceeds a threshold.

        Parameters
        ----------
        variance : ndarray, shape (n,)
            `next_variance` of the rows.
        squares : mapping of str to (horizon, threshold)
            Sessions ahead, and the threshold of each row in percent squared.

        Returns
        -------
        dict of str to ndarray
            By the names given; half a path is added to each side, NaN where the threshold is.

        Notes
        -----
        All rows share one set of stratified, antithetic draws from the pool of residuals.
        """
        v = np.repeat(np.asarray(variance, float)[:, None], PATHS, axis=1)
        total, out = np.zeros_like(v), {}
        for step, z in enumerate(self._draws(max(h for h, _ in squares.values())), 1):
            e = np.sqrt(v) * z
            total += (self.mean + e) ** 2
            v = self.omega + (self.alpha + self.gamma * (e < 0)) * e * e + self.beta * v
            for name, (horizon, threshold) in squares.items():
                if horizon == step:
                    count = np.count_nonzero(total > threshold[:, None], axis=1)
                    share = (count + 0.5) / (PATHS + 1.0)
                    out[name] = np.where(np.isnan(threshold), np.nan, share)
        return out

    def _draws(self, steps: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(SEED))
        half, pool = PATHS // 2, self.residuals
        draws = np.empty((steps, PATHS))
        for k in range(steps):
            strata = np.argsort(generator.random(half), kind="stable")
            u = (strata + generator.random(half)) / half
            u = np.concatenate([u, 1.0 - u])
            draws[k] = pool[np.minimum((u * pool.size).astype(np.int64), pool.size - 1)]
        return draws
