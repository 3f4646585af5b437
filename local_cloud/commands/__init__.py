"""What the command line can do: run one video, keep the cloud up, follow an upload."""
