"""Commands of the local cloud: run one video, keep the cloud up."""
