"""HTTP in front of moto: server, WSGI values, clients, access keys and signatures."""
