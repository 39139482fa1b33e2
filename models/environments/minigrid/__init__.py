"""MiniGrid's own games as batched environments with facts that can be read and edited."""
