"""The doorkey world: episodes of MiniGrid's DoorKey with exact labels."""
