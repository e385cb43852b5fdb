"""What a person looks at: figures drawn from maps, frames and ground truth as they are handed in."""
