"""What a person looks at, drawn from maps, frames and ground truth as they are handed in."""
