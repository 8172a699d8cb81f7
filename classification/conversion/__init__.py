"""In: a checkpoint of another library. Out: a folder with safetensors and a tokenizer that everything here reads."""
