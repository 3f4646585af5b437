"""Local cloud: the whole system on one machine, with moto behind Lambda, S3 events and Rekognition Video."""
