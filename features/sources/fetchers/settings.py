"""The ``[fetch]`` section of the configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import UsageError
from features.home import Home

__all__ = ["FetchSettings", "Provider", "load_settings"]


_ADDRESS = r"^https?://\S+$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provider(_Section):
    """Where a provider lives and how often it may be asked."""

    base_url: str = Field(pattern=_ADDRESS)
    per_second: float = Field(default=4.0, gt=0)


class Cboe(Provider):
    """Cboe's content host."""

    base_url: str = Field(default="https://cdn.cboe.com", pattern=_ADDRESS)
    per_second: float = Field(default=3.0, gt=0)


class Fred(Provider):
    """The Federal Reserve Bank of St. Louis."""

    base_url: str = Field(default="https://fred.stlouisfed.org", pattern=_ADDRESS)
    per_second: float = Field(default=1.0, gt=0)


class Binance(Provider):
    """Binance has one host for futures and one for spot."""

    base_url: str = Field(default="https://fapi.binance.com", pattern=_ADDRESS)
    spot_url: str = Field(default="https://api.binance.com", pattern=_ADDRESS)


class Bybit(Provider):
    """Bybit's public host."""

    base_url: str = Field(default="https://api.bybit.com", pattern=_ADDRESS)


class Okx(Provider):
    """OKX's public host."""

    base_url: str = Field(default="https://www.okx.com", pattern=_ADDRESS)


class Coinglass(Provider):
    """Coinglass adds up a list of exchanges; a change of the list is a break in level."""

    base_url: str = Field(default="https://open-api-v4.coinglass.com", pattern=_ADDRESS)
    per_second: float = Field(default=0.4, gt=0)
    key_env: str = "COINGLASS_API_KEY"
    exchanges: tuple[str, ...] = ("Binance", "OKX", "Bybit")


class Coinalyze(Provider):
    """Coinalyze names one market of one exchange a symbol; those of a coin are added up."""

    base_url: str = Field(default="https://api.coinalyze.net", pattern=_ADDRESS)
    per_second: float = Field(default=0.6, gt=0)
    key_env: str = "COINALYZE_API_KEY"
    symbols: dict[str, tuple[str, ...]] = {
        "BTC": ("BTCUSDT_PERP.A", "BTCUSDT.6"),
        "ETH": ("ETHUSDT_PERP.A", "ETHUSDT.6"),
    }


class Sheet(_Section):
    """A CSV address (a published spreadsheet, say) that holds breadth."""

    url: str | None = Field(default=None, pattern=_ADDRESS)
    universe: str = "nyse"
    per_second: float = Field(default=1.0, gt=0)


class FetchSettings(_Section):
    """What the fetchers may do; every key has a default.

    Parameters
    ----------
    timeout_seconds : float
        Longest silence of a server.
    total_seconds : float
        Longest time for one answer, however steadily it drips.
    attempts : int
        How often one request is tried.
    wait_initial_seconds, wait_max_seconds : float
        First wait between attempts and longest one; a ``Retry-After`` beyond the longest is a
        failure.
    max_megabytes : float
        Largest answer.
    backfill_days : int
        How far a first fetch of hourly data goes back when no `since` is given.
    coins : tuple of str
        Coins of the crypto fetchers.
    """

    timeout_seconds: float = Field(default=20.0, gt=0)
    total_seconds: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    wait_initial_seconds: float = Field(default=0.5, ge=0)
    wait_max_seconds: float = Field(default=60.0, ge=0)
    max_megabytes: float = Field(default=64.0, gt=0)
    backfill_days: int = Field(default=60, ge=1)
    coins: tuple[str, ...] = ("BTC", "ETH")
    cboe: Cboe = Cboe()
    fred: Fred = Fred()
    binance: Binance = Binance()
    bybit: Bybit = Bybit()
    okx: Okx = Okx()
    coinglass: Coinglass = Coinglass()
    coinalyze: Coinalyze = Coinalyze()
    sheet: Sheet = Sheet()


def load_settings(home: Home) -> FetchSettings:
    """Read ``[fetch]`` of the home's configuration.

    Raises
    ------
    UsageError
        If a key is unknown or a value is out of its range.
    """
    try:
        return FetchSettings.model_validate(home.config_section("fetch"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["fetch", *map(str, first["loc"])])
        raise UsageError(
            f"{where} in {home.config_path}: {first['msg']}. Mend or remove that key."
        ) from error
