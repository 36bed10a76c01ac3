"""Flags that say how an object store is reached, for commands other than `optimize`."""

from typing import Annotated

import typer

__all__ = ["Endpoint", "IsAnonymous", "Profile", "Region"]

Endpoint = Annotated[
    str | None, typer.Option("--endpoint-url", metavar="URL", help="As for pixmill optimize.")
]
Region = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="As for pixmill optimize.")
]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="As for pixmill optimize.")
]
IsAnonymous = Annotated[bool, typer.Option("--anonymous", help="As for pixmill optimize.")]
