"""The promoted bundle as an MLflow model; MLflow runs this file, no room imports it.

That is why mlflow stands at the top here and nowhere else: the file is the model's code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from models.bundle import Bundle, load_bundle
from training.served_frame import forecast_frame


class Forecaster(PythonModel):  # type: ignore[misc]
    """Answers with the probabilities and contributions that `score` gives."""

    bundle: Bundle

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle and check its hashes."""
        self.bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Forecast the last session of the frame."""
        return forecast_frame(self.bundle, model_input, at=str((params or {}).get("at", "evening")))


set_model(Forecaster())
