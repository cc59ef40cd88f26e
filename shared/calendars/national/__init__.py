"""The holidays of each country that has a calendar: one file a country, registered in ../holidays.py."""
