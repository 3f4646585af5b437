"""The whole system on one machine: moto behind a front that runs Lambda, S3 events and Rekognition Video."""
