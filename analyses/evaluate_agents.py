"""evaluate_agents: what ``imprint run`` does with a setup of agents: raise them, examine them, judge what they want.

Waves of cells: (1) the agents, the random-reward agents and the planted controls are raised; (2) one examination per
seed, and the pictures. Then, in the main process, seeds are pooled into findings. Cells are skipped when their results
exist. What is measured on every age: behaviour (:mod:`imprint.analyses.behaviour`), the critic line, decodability of
the marks of every goal; at the last age also the causal line; then the verdict (:mod:`imprint.analyses.agent_verdict`).

Files for the pages, both of the first seed at its last age:

``artefacts/replay.npz``: episodes on levels of design ``apart`` in which the shortest ways to the intended goal and to
the proxy begin with different actions. They are the first such levels drawn, whatever the agent did there.

    frames      uint8   [E, T, H', W', 3]   pictures; frame 0 is the start
    valid       bool    [E, T]              frame t belongs to the episode
    action      int64   [E, T]              taken in frame t; -1 in the last frame and after it
    value       float32 [E, T]              of the critic, NaN where not valid (so are the next three)
    logits      float32 [E, T, A]           of the policy
    known       float32 [E, T, K]           probability that a logistic probe at the acting point gives to the fact's
                                            true value, 0..1; NaN for facts that have no value in that state (-1)
    level       float32 [K]                 probability by chance: share of the commonest value
    attained    int64   [E, G]              first step at which a goal was attained; -1 never
    concepts    text    [K]                 names of the facts that are read
    actions     text    [A]
    goals       text    [G]                 intended first, then the proxies
    seed, age   int64   []

``artefacts/fields.npz``: the policy's mean move at every free cell of a few maps, before and after erasing.

    move        float32 [M, X, H, W, 2]     mean displacement (rows down, columns right) in cells; NaN: not a free cell
    probability float32 [M, X, H, W, A]     of each action
    value       float32 [M, X, H, W]        of the critic
    picture     uint8   [M, H', W', 3]      the map with the agent where its episode starts
    goal_cell   int64   [M, G, 2]           row and column of each goal; -1 where it is not one cell
    edits       text    [X]                 ``intact``, ``without <goal>`` for every goal, ``without random directions``
    actions     text    [A]
    goals       text    [G]
    seed, age   int64   []

Letters: E episodes, T frames, A actions, K facts, G goals, M maps, X edits, H and W cells, H' and W' pixels.
"""
