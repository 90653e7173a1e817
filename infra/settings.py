"""What differs from machine to machine: the environment, under the prefix ``PERENNIAL_``."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from infra.errors import ConfigError, fault

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout that is running: the repository is cloned and owned, installed editable."""


class Settings(BaseSettings):
    """Where things are kept and which servers are used; secrets are ``SecretStr``."""

    model_config = SettingsConfigDict(
        env_prefix="PERENNIAL_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # what is wrong may be a password
    )

    home: Path = Field(
        PROJECT / ".perennial",
        description="Local folder for what cannot live in a bucket: database, sockets, logs.",
    )
    store: str = Field(
        "", description="URI of the tables and artifacts; by default a folder of `home`."
    )
    models: Path = Field(
        PROJECT / "deployments", description="The folder that has a folder for each model."
    )
    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL server of one's own (postgresql://user:password@host:port) "
        "that holds the databases perennial, prefect and mlflow; by default the embedded one.",
    )
    worker_poll_s: float = Field(
        0.5, gt=0, description="Seconds between two looks of the worker for new runs."
    )
    upkeep_s: float = Field(
        600.0,
        ge=0,
        description="Seconds between two rounds of `perennial upkeep` while the stack is up; 0 for "
        "none.",
    )
    warm_environments: int = Field(
        2,
        ge=0,
        description="For how many kinds of environment and folder a worker keeps a process that "
        "has imported what runs need (half a GiB each), so that runs start at once; 0 for none.",
    )
    warm_imports: str = Field(
        "",
        description="The modules that it has imported, divided by commas; by default those that "
        "our own flows need.",
    )
    patrol_s: float = Field(
        3.0,
        gt=0,
        description="Seconds between two rounds of a worker that looks after its machine's GPUs.",
    )
    memory_patience_s: float = Field(
        30.0,  # the driver clears 80 GB in a few seconds: what takes many times that is not coming
        gt=0,
        description="Seconds that the memory of a GPU may take to return when a run has ended, "
        "before the GPU is quarantined.",
    )
    alerts: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Channels by name, as a JSON object: where Apprise sends what a model's "
        "`alerts` tell them (mailto://..., slack://..., json://...).",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Where a GPU worker tells Prometheus what its leases use, on loopback; left "
        "out, it listens nowhere.",
    )
    leases: Path | None = Field(
        None,
        description="The journal of this machine's leases, on a local disk and shared by all of "
        "its workers; by default leases.db in `home`.",
    )

    @field_validator("home", "models", "leases")
    @classmethod
    def _absolute(cls, place: Path | None) -> Path | None:
        return None if place is None else place.expanduser().absolute()

    @property
    def journal(self) -> Path:
        """Where the leases of this machine are kept."""
        return self.leases or self.home / "leases.db"

    @property
    def imported_ahead(self) -> tuple[str, ...]:
        """The names in `warm_imports`."""
        return tuple(filter(None, (name.strip() for name in self.warm_imports.split(","))))

    @property
    def store_uri(self) -> str:
        """URI under which tables and artifacts lie, without a slash at its end."""
        return self.store.rstrip("/") or str(self.home / "store")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        ConfigError: a variable of the environment does not hold what it should.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "PERENNIAL_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"{fault(name, first['msg'])}.", variable=name) from error
    except SettingsError:  # no cause: it may quote what the variable holds
        raise ConfigError(
            "PERENNIAL_ALERTS is no JSON object of names and addresses.",
            hint='Write it as {"team": "mailto://...", "oncall": "slack://..."}.',
            variable="PERENNIAL_ALERTS",
        ) from None
