"""Tables and charts of the question micromanage."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.statistics import mean_of_all

OVER = "Mean and 95 % interval over worlds."
ABOVE = "accuracy above chance"


def exhibits(means: pd.DataFrame, ratios: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over worlds, ``ratios``: critical ones, ``table``: of every world."""
    births = means[means["experiment"] == "births"]
    return [
        _birth(births),
        _collapse(births),
        _critical(ratios),
        _crowds(means[means["experiment"] == "crowds"]),
        _nulls(means[means["experiment"] == "connectomes"]),
        _childhoods(means[means["experiment"] == "childhoods"]),
        _adults(means[means["experiment"] == "adults"]),
        exhibit_of_seeds(_short(table)),
    ]


def _short(table: pd.DataFrame) -> pd.DataFrame:
    """The numbers of every world that the first chart is about."""
    rows = table[(table["experiment"] == "births") & (table["measure"] == "knows") & (table["signs"] == "excitatory")]
    rows = rows[rows["radius"].isna() | rows["radius"].isin([4.0, 12.0])]
    return rows[["wiring", "radius", "scale", "seed", "value"]]


def _birth(births: pd.DataFrame) -> Exhibit:
    knows = births[births["measure"] == "knows"]
    order = {"heritable": "same in every animal", "global": "whole sheet"}
    reach = [order.get(kind, f"radius {radius}") for kind, radius in zip(knows["wiring"], knows["radius"], strict=True)]
    frame = pd.DataFrame(
        {
            "signs": knows["signs"],
            "partners": reach,
            "blocks": "blocks of " + knows["scale"].astype(str),
            **{name: knows[name] for name in ("value", "low", "high", "seeds")},
        }
    )
    lost = births[(births["measure"] == "relabelled") & (births["signs"] == "excitatory")]["value"].abs().max()
    reading = f"With their units permuted, newborns are nowhere further than {lost:.3f} from chance."
    caption = (
        "Newborns with the best readout of their ancestors, by where a unit's random partners lie (in inputs) and "
    )
    caption += f"by the size of what is to be told apart. {OVER}"
    chart = chart_over_seeds("points", "partners", "value", ("partners", ABOVE), colour="blocks", panel="signs")
    return Exhibit("birth", "What newborns know", frame, reading, caption, chart)


def _collapse(births: pd.DataFrame) -> Exhibit:
    knows = births[births["measure"] == "knows"]
    most = knows[knows["wiring"] == "heritable"].set_index(["signs", "scale"])["value"]
    local = knows[knows["wiring"] == "local"]
    scale = [most[key] for key in zip(local["signs"], local["scale"], strict=True)]
    ratio = local["radius"].astype(float) / local["scale"].astype(float)
    frame = pd.DataFrame(
        {
            "signs": local["signs"],
            "blocks": "blocks of " + local["scale"].astype(str),
            "ratio": ratio,
            **{name: local[name] / scale for name in ("value", "low", "high")},
            "seeds": local["seeds"],
        }
    ).sort_values(["signs", "blocks", "ratio"])
    near = frame[(frame["signs"] == "excitatory") & (frame["ratio"] <= 0.5)]["value"].min()
    far = frame[(frame["signs"] == "excitatory") & (frame["ratio"] >= 6)]["value"].max()
    reading = (
        f"At least {near:.2f} is left where the radius is half of the feature or less, at most {far:.2f} where it is "
    )
    reading += "six times as large."
    caption = (
        "Knowledge at birth under locally random wiring as a part of that under heritable wiring, over the radius in "
    )
    caption += f"widths of the feature. {OVER}"
    titles = ("radius / width of the feature", "part of what is heritable")
    chart = chart_over_seeds("lines", "ratio", "value", titles, colour="blocks", panel="signs")
    return Exhibit("ratio", "One ratio for all scales", frame, reading, caption, chart)


def _critical(ratios: pd.DataFrame) -> Exhibit:
    rows = []
    for (signs, scale, part_left), part in ratios.groupby(["signs", "scale", "left"], sort=False):
        about = {"signs": signs, "blocks": f"blocks of {scale}", "left": f"{part_left:g} is left"}
        rows.append({**about, **mean_of_all(part["ratio"]).row("ratio")})
    frame = pd.DataFrame(rows)
    said = frame.groupby(["signs", "left"], sort=False)["ratio"].agg(["min", "max"]).dropna()
    ends = zip(said.index, said["min"], said["max"], strict=True)
    reading = "; ".join(f"{', '.join(about)}: {low:.2g} to {high:.2g}" for about, low, high in ends)
    caption = (
        "Radius over width of the feature at which half, or a tenth, of the heritable knowledge is left (no number: "
    )
    caption += f"not reached within the radii that were tried in every world). {OVER}"
    titles = ("width of the feature", "critical radius / width")
    chart = chart_over_seeds("points", "blocks", "ratio", titles, colour="left", panel="signs")
    return Exhibit("critical", "Where it is lost", frame, f"{reading}.", caption, chart)


def _crowds(part: pd.DataFrame) -> Exhibit:
    frame = part[["units", "scale", "value", "low", "high", "seeds"]].copy()
    frame["scale"] = "blocks of " + frame["scale"]
    frame["units"] = frame["units"].astype(float).astype(int)
    value = frame.set_index(["units", "scale"])["value"]
    few, many = frame["units"].min(), frame["units"].max()
    reading = (
        f"With {few} units newborns know blocks of 1 by {value[few, 'blocks of 1']:.2f} above chance, with {many} by "
    )
    reading += f"{value[many, 'blocks of 1']:.2f}: many units that reach far say together what one of them cannot."
    caption = f"Locally random wiring of radius 4, by the number of units on the same sheet. {OVER}"
    chart = chart_over_seeds("lines", "units", "value", ("units", ABOVE), colour="scale")
    return Exhibit("crowds", "More units", frame, reading, caption, chart)


def _nulls(part: pd.DataFrame) -> Exhibit:
    knows = part["measure"] == "knows"
    shown = part[~knows | part["scale"].isin(["1", "8"])]
    measure = [
        f"knows blocks of {scale}" if name == "knows" else name
        for name, scale in zip(shown["measure"], shown["scale"], strict=True)
    ]
    frame = pd.DataFrame(
        {"wiring": shown["wiring"], "measure": measure, **{n: shown[n] for n in ("value", "low", "high", "seeds")}}
    )
    value = frame.set_index(["wiring", "measure"])["value"]
    reading = (
        f"Locally random wiring is {value['local', 'against the global null']:.1f} standard deviations from globally "
    )
    reading += (
        f"random wiring and {value['local', 'against the local null']:.1f} from the null that keeps places, and its "
    )
    reading += f"animals know coarse features by {value['local', 'knows blocks of 8']:.2f} above chance at birth."
    caption = "How much units share partners in one animal's connections, in standard deviations of 60 wirings of each "
    caption += (
        "null. Global null: numbers of connections are kept. Local null: places and reach as well. Chosen: within "
    )
    caption += f"reach, but only inputs that are on in one ancestral pattern. {OVER}"
    titles = ("wiring", "standard deviations; accuracy above chance")
    chart = chart_over_seeds("points", "wiring", "value", titles, panel="measure", reference=0.0)
    return Exhibit("nulls", "Which null is asked decides what is called random", frame, reading, caption, chart)


def _childhoods(part: pd.DataFrame) -> Exhibit:
    frame = part[["wiring", "volatility", "measure", "value", "low", "high", "seeds"]].copy()
    value = frame.set_index(["wiring", "volatility", "measure"])["value"]
    reading = (
        f"An evolved start is worth {value['heritable', 0.0, 'start']:.2f} where wiring is inherited and the world is "
    )
    reading += f"constant, {value['global', 0.0, 'start']:.2f} under globally random wiring and "
    reading += f"{value['heritable', 1.0, 'start']:.2f} where the world is new in every life; an evolved learning rate "
    reading += f"{value['heritable', 0.0, 'rate']:.2f}, {value['global', 0.0, 'rate']:.2f} and "
    reading += f"{value['heritable', 1.0, 'rate']:.2f}."
    frame = frame.astype({"volatility": str})
    caption = "After 60 pictures, mean over scales. Start: what inherited weights add to a blank start with an evolved "
    caption += "learning rate. Rate: what the evolved rate adds to one drawn at random. Blank: accuracy above chance. "
    caption += f"Volatility: part of the classes that look otherwise in every life; local: radius 3. {OVER}"
    titles = ("volatility", "gain in accuracy")
    chart = chart_over_seeds("lines", "volatility", "value", titles, colour="wiring", panel="measure")
    return Exhibit("childhood", "Why not start faster?", frame, reading, caption, chart)


def _adults(part: pd.DataFrame) -> Exhibit:
    learned = part[part["measure"] == "learned"].groupby(["wiring", "in_degree"], sort=False)["value"].mean()
    dimension = part[part["measure"] == "dimension"].set_index(["wiring", "in_degree"])["value"]
    frame = part[["wiring", "in_degree", "scale", "measure", "value", "low", "high", "seeds"]].copy()
    frame["measure"] = [
        name if name == "dimension" else f"learned, blocks of {scale}"
        for name, scale in zip(frame["measure"], frame["scale"], strict=True)
    ]
    frame = frame.drop(columns="scale").astype({"in_degree": float}).astype({"in_degree": int})
    best = {kind: (learned[kind].idxmax(), dimension[kind].idxmax()) for kind in part["wiring"].unique()}
    said = [
        f"{kind} wiring learns best with {int(float(k))} and has most dimensions with {int(float(d))}"
        for kind, (k, d) in best.items()
    ]
    reading = f"In-degree: {'; '.join(said)} (Litwin-Kumar et al. 2017: about 4 for granule cells, 7 for Kenyon cells)."
    caption = "Adults that inherited nothing, after 200 pictures (ridge). Dimension: participation ratio of the "
    caption += f"activities. {OVER}"
    chart = chart_over_seeds("lines", "in_degree", "value", ("in-degree", "value"), colour="wiring", panel="measure")
    return Exhibit("adults", "Local and global wiring in adults", frame, reading, caption, chart)
